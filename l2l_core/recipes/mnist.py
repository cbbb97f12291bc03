"""A small network on MNIST (Andrychowicz et al. 2016, §3.2)."""

from l2l_core.features import LogSign
from l2l_core.recipes.base import Budget, Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Reflected
from l2l_core.tasks.mnist import MNISTNetwork


def _mnist(split: str, device: str) -> MNISTNetwork:
    return MNISTNetwork(split, device=device)


def small(split: str, device: str) -> MNISTNetwork:
    """The network's smaller sibling, on images averaged to 14×14."""
    return MNISTNetwork(split, device=device, pool=2)


def printed() -> Rule:
    """The rule of the paper: two layers of 20 units, gradients as logarithm and sign, an output scale of 0.1."""
    return CoordinatewiseLSTM(features=LogSign(), scale=0.1)


_MNIST = {
    "family": "mnist",
    "task": _mnist,
    "horizon": 100,
    "window": 20,
    "test_steps": 200,
    "average": 10,
}

MNIST = (
    Recipe(
        name="mnist",
        summary="A 20-unit sigmoid network on MNIST (Fig. 4 centre and right), trained with random reflection",
        rule=lambda: Reflected(printed()),
        meta_lr=(1e-2, 1e-2),
        slowdown=1000,
        baselines={
            "sgd": 3.0,
            "nag": 1.0,
            "rmsprop": 0.01,
            "rmsprop-0.9": 0.02,
            "adam": 0.03,
            "adam-cosine": 0.05,
        },
        scales={
            "smoke": Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1),
            "paper": Budget(5000, 100, b=1, validation_problems=8, tuning_problems=16, test_problems=100),
        },
        **_MNIST,
    ),
    Recipe(
        name="mnist-as-printed",
        summary="The same by the paper's own protocol: no reflection, a learning rate of φ drawn at random",
        rule=printed,
        meta_lr=(1e-3, 1e-2),
        baselines={},
        scales={
            "smoke": Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1),
            "paper": Budget(2500, 50, b=1, validation_problems=8, tuning_problems=0, test_problems=100, seeds=3),
        },
        **_MNIST,
    ),
)
"""The shipped recipe, and the paper's own protocol."""
