"""A run of a recipe in miniature, for the tests of what is made of runs."""

from dataclasses import replace

from l2l_core.experiment import train_meta_seed
from l2l_core.recipes import recipe
from l2l_core.report import report

TINY = replace(recipe("quadratic").scales["smoke"], meta_steps=5, validate_every=5, test_problems=4, seeds=3)
RECIPE = replace(recipe("quadratic"), scales={"smoke": TINY, "paper": TINY}, baselines={"sgd": 0.01, "adam": 0.2})


def finished(out):
    """Three meta-seeds at "paper" scale, trained and reported in the folder `out`, which is returned."""
    for seed in range(3):
        train_meta_seed(RECIPE, "paper", seed, out, progress=False)
    report(RECIPE, "paper", out, "the command", progress=False)
    return out
