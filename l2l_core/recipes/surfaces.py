"""Surfaces over the plane, whose rule the reader races against hand-designed ones in the page."""

from l2l_core.recipes.base import Budget, Recipe
from l2l_core.recipes.mnist import printed
from l2l_core.tasks.surfaces import Surfaces
from l2l_core.tasks.wrappers import RandomlyScaled
from l2l_core.types import Task


def _surfaces(split: str, device: str) -> Task:
    task = Surfaces(device=device)
    # in the page a start's loss may be anything, so that the rule must not learn a unit
    return RandomlyScaled(task, 0.01, 100.0) if split == "train" else task


SURFACES = (
    Recipe(
        name="surfaces",
        family="surfaces",
        summary="Bowls, funnels and winding valleys in the plane, for the race on the first page",
        task=_surfaces,
        rule=printed,
        horizon=100,
        window=20,
        test_steps=100,
        meta_lr=(1e-2, 1e-2),
        slowdown=100,
        baselines={"sgd": 0.0012, "momentum": 0.002, "rmsprop": 0.07, "adam": 0.8, "adam-cosine": 1.0},
        scales={
            "smoke": Budget(2, 2, b=4, validation_problems=4, tuning_problems=0, test_problems=4, seeds=1),
            "paper": Budget(800, 40, b=256, validation_problems=1000, tuning_problems=300, test_problems=1000, seeds=3),
        },
    ),
)
"""One recipe; Rosenbrock's and Beale's functions and noise are not among what it trains on."""
