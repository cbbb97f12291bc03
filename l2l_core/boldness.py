"""A trained rule whose every update is multiplied by one number: `python -m l2l_core.boldness [RECIPE …]`.

Writes what comes of it to `results/RECIPE/boldness.json`.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from l2l_core import kernel
from l2l_core.catalogue import trial
from l2l_core.evaluation import at, evaluate, in_turn
from l2l_core.heldout import marks
from l2l_core.recipes import Recipe
from l2l_core.rule import Rule
from l2l_core.rules import Scheduled
from l2l_core.store import write_json
from l2l_core.trials import Trial
from l2l_core.zoo import load_pretrained, meta_seeds

FACTORS = (0.5, 1.0, 2.0, 4.0)
"""By what updates are multiplied."""
RUNS = 1
"""Runs on test problems, the first of those in the trial's curves."""


def multiplied(rule: Rule, factor: float) -> Rule:
    """The rule c·m: its updates are c = `factor` times as large, whatever comes back to it as gradients."""
    return Scheduled(rule, lambda step, horizon: factor)


def measure(chosen: Trial, rule: Rule, factors: tuple[float, ...] = FACTORS, runs: int = RUNS) -> dict[str, Any]:
    """Mean loss over runs "at step t", in reported units, for t in `marks` of the trial's test, a row a factor.

    A rule's best factor after few steps and after many need not be the same; 1 is what meta-training settled on.
    """
    task, steps = chosen.task("test", "cpu"), [t for t in marks(chosen.test_steps) if t >= chosen.average]
    rows = []
    for factor in factors:
        seed = f"{chosen.family}/test"
        bold, length = multiplied(rule, factor), chosen.test_steps
        curves = evaluate(bold, task, runs, length, seed=seed, horizon=chosen.horizon, draw=in_turn)
        means = [chosen.unit * float(at(curves, t, chosen.average).mean()) for t in steps]
        rows.append([float(f"{value:.4g}") for value in means])
    return {"runs": runs, "steps": steps, "factors": list(factors), "loss": rows}


def main(names: list[str]) -> None:
    """Measure meta-seed 0 of the recipes named, and write their files.

    Recipes of one stream share its start and its problems, so that what differs is what the recipes say.
    """
    torch.set_num_threads(1)
    for name in names or ["cifar", "cifar-late"]:
        chosen = trial(name)
        if not isinstance(chosen, Recipe):
            raise ValueError(f"{name!r} is a trial of another recipe's rules; give a recipe")
        if not (rules := meta_seeds(name)):
            raise ValueError(f"no rule of {name!r} is in the package; promote it first")
        rule = rules[0]
        with kernel.enabled():
            found = measure(chosen, load_pretrained(rule))
        path = Path("results") / name / "boldness.json"
        write_json(path, {"command": f"python -m l2l_core.boldness {name}", "rule": rule, **found})
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
