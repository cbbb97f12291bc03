"""Short runs on images averaged to 14×14, ten of each kind: does meta-training wander?"""

from collections.abc import Callable
from typing import Any

from l2l_core.recipes.base import Budget, Recipe
from l2l_core.recipes.mnist import printed, small
from l2l_core.rule import Rule
from l2l_core.rules import Reflected, Without

SHORT = {
    "family": "wandering",
    "task": small,
    "horizon": 100,
    "window": 20,
    "test_steps": 100,
    "average": 10,
    "meta_lr": (1e-2, 1e-2),
}
"""What all of them share."""


def _short_runs(meta_steps: int = 300, b: int = 1, tuning_problems: int = 0) -> dict[str, Budget]:
    """Ten runs of a minute or less, too short to compete with `mnist`: what they show is how they go."""
    smoke = Budget(2, 1, b=b, restarts=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1)
    every, problems = meta_steps // 10, {"validation_problems": 7, "tuning_problems": tuning_problems}
    paper = Budget(meta_steps, every, b=b, restarts=10, test_problems=20, seeds=1, **problems)
    return {"smoke": smoke, "paper": paper}


def _arm(name: str, summary: str, rule: Callable[[], Rule] = printed, **settings: Any) -> Recipe:
    """One arm of the short runs; `settings` are what it changes."""
    common = {"baselines": {}, "scales": _short_runs(), **SHORT}
    return Recipe(name=name, summary=summary, rule=rule, **{**common, **settings})


WANDERING = (
    _arm(
        "wandering",
        "Short runs by the printed protocol on MNIST averaged to 14×14: does meta-training wander?",
        baselines={"sgd": 3.0, "nag": 1.5, "rmsprop": 0.01, "adam": 0.045},
        scales=_short_runs(tuning_problems=16),
    ),
    _arm("wandering-reflected", "The same with random reflection", lambda: Reflected(printed())),
    _arm(
        "wandering-unbiased",
        "The same without a bias in the read-out",
        lambda: Without(printed(), "readout.bias"),
    ),
    _arm("wandering-decay", "The same with a learning rate of φ that falls to a quarter", slowdown=100),
    _arm(
        "wandering-four",
        "The same with four optimizees a meta-step, for the same time",
        scales=_short_runs(meta_steps=120, b=4),
    ),
)
"""The printed protocol, and four changes of it."""
