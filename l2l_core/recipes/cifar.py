"""A convolutional network on CIFAR-10, or on some of its labels (Andrychowicz et al. 2016, §3.3)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from l2l_core.features import LogSign
from l2l_core.recipes.base import Budget, Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Grouped, Reflected
from l2l_core.tasks.cifar import CLASSES, CIFARNetwork, kernels_apart

ALL = tuple(range(len(CLASSES)))
FIVE = (0, 1, 2, 3, 4)
TWO = (0, 1)
"""The labels of the panels CIFAR-5 and CIFAR-2, the first ones; the paper does not say which it took."""

TRAINING_BATCH = 64
"""Images a minibatch in meta-training, which cost half as much as the paper's 128; everywhere else there are 128."""

RATES = {"sgd": 0.1, "nag": 0.1, "rmsprop": 0.001, "adam": 0.003, "adam-cosine": 0.003}
"""Where tuning starts."""


def network(
    split: str,
    device: str,
    classes: tuple[int, ...] = ALL,
    trained_on: tuple[int, ...] | None = None,
    training_batch: int = TRAINING_BATCH,
) -> CIFARNetwork:
    """The network on images of `classes`; in meta-training and validation on those `trained_on`, where they differ."""
    if trained_on and split in ("train", "validation"):
        classes = trained_on
    return CIFARNetwork(split, classes, batch_size=training_batch if split == "train" else 128, device=device)


def all_but(classes: tuple[int, ...]) -> tuple[int, ...]:
    """The other labels."""
    return tuple(k for k in ALL if k not in classes)


def _lstm() -> Rule:
    # at 0.1, as on MNIST, a read-out bias that Adam cannot hold still carries the weights away within a thousand steps
    return CoordinatewiseLSTM(features=LogSign(), scale=0.01)


def two_lstms() -> Rule:
    """One LSTM for the kernels of convolutions, another for everything else; coordinates are reflected at random."""
    return Reflected(Grouped({"kernels": _lstm(), "rest": _lstm()}, kernels_apart))


def shared_lstm() -> Rule:
    """One LSTM for all tensors, likewise."""
    return Reflected(_lstm())


OTHER_TWO = (6, 8)
"""The labels on which the rule of `cifar-quick` is tested."""

TESTED = {"horizon": 1000, "test_steps": 1000, "average": 20}
"""How all panels of Fig. 7 are tested. Episodes of meta-training end after any window with a chance of 0.07, the latest
after 1,000 steps: 278 on average."""


SMOKE = Budget(1, 1, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1, steps=20)
QUICK = Budget(800, 100, b=1, validation_problems=1, tuning_problems=2, test_problems=10, seeds=1)
"""A few seconds, and the ten minutes of a reader's exercise."""


def _recipe(
    name: str, summary: str, family: str = "cifar-10", rule: Callable[[], Rule] = two_lstms, **settings: Any
) -> Recipe:
    paper = Budget(1500, 300, b=1, validation_problems=1, tuning_problems=2, test_problems=10, seeds=3)
    common = {"task": network, "baselines": {}, "window": 20, "stop": 0.07, "meta_lr": (5e-3, 5e-3), "slowdown": 250}
    common["scales"] = {"smoke": SMOKE, "paper": paper}
    return Recipe(name=name, family=family, summary=summary, rule=rule, **{**common, **TESTED, **settings})


CIFAR = (
    _recipe("cifar", "A convolutional network on CIFAR-10 (Fig. 7 left): two LSTMs", baselines=RATES),
    _recipe("cifar-shared", "The same with one LSTM for all tensors", rule=shared_lstm, shipped="cifar-lstm-shared"),
    _recipe(
        "cifar-sub5",
        "Trained on the five labels that CIFAR-5 lacks, tested on CIFAR-5",
        "cifar-5",
        task=partial(network, classes=FIVE, trained_on=all_but(FIVE)),
        shipped="cifar-lstm-sub5",
    ),
    _recipe(
        "cifar-sub2",
        "Trained on the eight labels that CIFAR-2 lacks, tested on CIFAR-2",
        "cifar-2",
        task=partial(network, classes=TWO, trained_on=all_but(TWO)),
        shipped="cifar-lstm-sub2",
    ),
    _recipe(
        "cifar-quick",
        "Trained on two labels for some minutes, tested on two others",
        "cifar-quick",
        task=partial(network, classes=OTHER_TWO, trained_on=TWO, training_batch=32),
        horizon=200,
        test_steps=200,
        stop=0.1,
        baselines={"nag": RATES["nag"], "adam": RATES["adam"]},
        scales={"smoke": SMOKE, "paper": QUICK},
    ),
)
"""*LSTM*, the one LSTM that the paper calls insufficient, *LSTM-sub* twice, and what a reader can train."""
