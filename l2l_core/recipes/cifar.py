"""A convolutional network on CIFAR-10, or on some of its labels (Andrychowicz et al. 2016, §3.3)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from l2l_core.features import LogSign
from l2l_core.recipes.base import Budget, Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Grouped, Odd, Without
from l2l_core.tasks.cifar import CLASSES, CIFARNetwork, kernels_apart

ALL = tuple(range(len(CLASSES)))
FIVE = (0, 1, 2, 3, 4)
TWO = (0, 1)
"""The labels of the panels CIFAR-5 and CIFAR-2, the first ones; the paper does not say which it took."""

TRAINING_BATCH = 64
"""Images a minibatch in meta-training, which cost half as much as the paper's 128. Tests and tuning have 128."""

RATES = {"sgd": 0.1, "nag": 0.05, "rmsprop": 0.001, "adam": 0.003, "adam-cosine": 0.003}
"""Where tuning starts."""


def network(
    split: str,
    device: str,
    classes: tuple[int, ...] = ALL,
    trained_on: tuple[int, ...] | None = None,
    training_batch: int = TRAINING_BATCH,
    start_std: float = 0.01,
) -> CIFARNetwork:
    """The network on images of `classes`; in meta-training and validation on those `trained_on`, where they differ."""
    if trained_on is not None and split in ("train", "validation"):
        classes = trained_on
    batch_size = training_batch if split == "train" else 128
    return CIFARNetwork(split, classes, batch_size=batch_size, start_std=start_std, device=device)


def all_but(classes: tuple[int, ...]) -> tuple[int, ...]:
    """The other labels."""
    return tuple(k for k in ALL if k not in classes)


def _lstm() -> Rule:
    # the output scale is that of the paper's MNIST, for here it gives none
    return CoordinatewiseLSTM(features=LogSign(), scale=0.1)


def shared_lstm() -> Rule:
    """One LSTM for all tensors, made odd: what it adds whatever the gradient would add up over a thousand steps."""
    return Odd(Without(_lstm(), "readout.bias"))


def two_lstms() -> Rule:
    """One for the kernels of convolutions, another for everything else."""
    return Grouped({"kernels": shared_lstm(), "rest": shared_lstm()}, kernels_apart)


OTHER_TWO = (6, 8)
"""The labels on which the rule of `cifar-quick` is tested."""

TESTED = {"horizon": 1000, "test_steps": 1000, "average": 20}
"""How the panels of Fig. 7 are tested, and how φ is selected."""

TESTED_ON_TWO = {**TESTED, "horizon": 400, "test_steps": 400}
"""On two labels a set has 4,000 images. The paper's 1,000 steps of 128 went through its 10,000 images 13 times, and so
do 400 steps here; 1,000 would go through them 32 times, and compare who knows them by heart."""

TRAINED = {"episode": 100, "window": 100, "meta_lr": (1e-2, 1e-2), "slowdown": 100, "visited": 0.25}
"""How all of them are meta-trained: on the first tenth of a test, and back through all of it, a quarter of the
coordinates at a time. What they do at late steps, those of `LATE` aside, is extrapolation."""

PAPER = Budget(90, 30, b=1, validation_problems=1, tuning_problems=2, test_problems=10, seeds=3)
SMOKE = Budget(1, 1, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1, steps=20)
QUICK = Budget(150, 50, b=1, validation_problems=1, tuning_problems=2, test_problems=10, seeds=1)
"""Everything, a few seconds, and the ten minutes of a reader's exercise."""

LATE = {
    "episode": TESTED["horizon"],
    "stop": 0.5,
    "stream": "cifar",
    "scales": {"smoke": SMOKE, "paper": replace(PAPER, seeds=1)},
}
"""A curriculum of horizons: half of the episodes have 100 steps, a quarter 200, an eighth 300, to at most 1,000."""


def _recipe(
    name: str, summary: str, family: str = "cifar-10", rule: Callable[[], Rule] = two_lstms, **settings: Any
) -> Recipe:
    common = {"task": network, "baselines": {}, "scales": {"smoke": SMOKE, "paper": PAPER}}
    return Recipe(name=name, family=family, summary=summary, rule=rule, **{**common, **TRAINED, **TESTED, **settings})


CIFAR = (
    _recipe("cifar", "A convolutional network on CIFAR-10 (Fig. 7 left): two LSTMs", baselines=RATES),
    _recipe("cifar-shared", "The same with one LSTM for all tensors", rule=shared_lstm, shipped="cifar-lstm-shared"),
    _recipe(
        "cifar-late",
        "The same, meta-trained on late steps as well, once: episodes go on with a chance of one half",
        **LATE,
        shipped="cifar-lstm-late",
    ),
    _recipe(
        "cifar-late-clipped",
        "Like cifar-late, with meta-gradients no longer than 30",
        **LATE,
        clip=30.0,
        shipped="cifar-lstm-late-clipped",
    ),
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
        **TESTED_ON_TWO,
        shipped="cifar-lstm-sub2",
    ),
    _recipe(
        "cifar-quick",
        "Trained on two labels for some minutes (rivals are tuned on them too), tested on two others",
        "cifar-quick",
        task=partial(network, classes=OTHER_TWO, trained_on=TWO, training_batch=32),
        horizon=200,
        test_steps=200,
        baselines={"nag": RATES["nag"], "adam": RATES["adam"]},
        scales={"smoke": SMOKE, "paper": QUICK},
    ),
)
"""*LSTM*, the one LSTM that the paper calls insufficient, two made otherwise, *LSTM-sub* twice, a reader's own."""
