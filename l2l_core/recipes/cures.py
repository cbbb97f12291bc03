"""Against the failures of the atlas: the printed protocol on images averaged to 14×14, with and without a cure."""

from typing import Any

from l2l_core.recipes.base import Budget, Recipe
from l2l_core.recipes.mnist import printed, small
from l2l_core.recipes.wandering import SHORT
from l2l_core.tasks.wrappers import RandomlyScaled
from l2l_core.types import Task


def _in_units(split: str, device: str) -> Task:
    task = small(split, device)
    return RandomlyScaled(task, 0.01, 100.0) if split == "train" else task


def _cure(name: str, summary: str, **settings: Any) -> Recipe:
    """The printed protocol on the small task, or with something against the failures of the atlas."""
    smoke = Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1)
    paper = Budget(1000, 100, b=1, validation_problems=8, tuning_problems=8, test_problems=20, seeds=3)
    common = {"family": "cure", "stream": "cure", "task": small, "test_steps": 100, "baselines": {}}
    scales = {"smoke": smoke, "paper": paper}
    return Recipe(name=name, summary=summary, rule=printed, scales=scales, **{**SHORT, **common, **settings})


CURES = (
    _cure(
        "cure-none",
        "The printed protocol on MNIST averaged to 14×14: what the cures are held against",
        baselines={"sgd": 3.0, "nag": 1.5, "rmsprop": 0.01, "adam": 0.045, "adam-cosine": 0.05},
    ),
    _cure("cure-units", "The same, every problem's loss times a number between 1/100 and 100", task=_in_units),
    _cure(
        "cure-horizon",
        "The same, with episodes that may end after any window: 186 steps on average, 500 at most",
        horizon=500,
        test_steps=500,
        stop=0.1,
    ),
)
"""Without, with problems in other units, and with episodes of other lengths."""
