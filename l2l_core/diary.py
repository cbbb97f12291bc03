"""A run of meta-training once more, update by update: `python -m l2l_core.diary [RECIPE …]`.

Writes what it saw to `results/RECIPE/diary.json`. On `cifar-late` that takes five minutes.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch

from l2l_core import kernel
from l2l_core.catalogue import trial
from l2l_core.experiment import beginning
from l2l_core.metagrad import Estimate, TBPTTState, tbptt
from l2l_core.recipes import Recipe
from l2l_core.store import write_json
from l2l_core.training import Training, meta_train
from l2l_core.tree import Params, ravel

UPDATES = 60
"""Updates of φ that are followed, from the first."""


@dataclass(frozen=True)
class Watched(tbptt):
    """The same meta-gradients, and notes of each window: where in its episode it `begins`, the `norm` of its
    meta-gradient, the mean `loss` of its last steps up to twenty, and how far φ has `moved` since the window before.
    """

    notes: list[dict[str, float]] = field(default_factory=list, compare=False, repr=False)
    seen: list[torch.Tensor] = field(default_factory=list, compare=False, repr=False)

    def step(self, phi: Params, state: TBPTTState) -> tuple[Estimate, TBPTTState]:
        """One window, noted."""
        begins = 0 if state.carry is None else state.carry.step
        now = ravel(phi).detach().clone()
        moved = float((now - self.seen.pop()).norm()) if self.seen else 0.0
        self.seen.append(now)
        estimate, state = super().step(phi, state)
        norm, loss = ravel(estimate.grad).norm(), estimate.losses[:, 1:][:, -20:].mean()
        numbers = {"norm": norm, "loss": loss, "moved": moved}
        self.notes.append({"begins": begins, **{key: float(f"{float(v):.4g}") for key, v in numbers.items()}})
        return estimate, state


def follow(chosen: Recipe, scale: str = "paper", updates: int = UPDATES) -> list[dict[str, float]]:
    """The notes of the first updates of meta-seed 0 (and restart 0), made once more; nothing here disturbs them.

    Raises ValueError for more updates than the recipe has, or fewer than 1. A meta-gradient that is not finite ends
    the notes, and is the last of them.
    """
    most = chosen.budget(scale).meta_steps
    if not 1 <= updates <= most:
        raise ValueError(f"{chosen.name!r} has {most} updates of φ at scale {scale!r}, asked for {updates}")
    name, lr, rule = beginning(chosen, 0, 0)
    plain = chosen.estimator(rule, scale, "cpu")
    watched = Watched(**{one.name: getattr(plain, one.name) for one in fields(plain)})
    planned = chosen.training(scale, lr)
    training = Training(updates, lr, updates, planned.slowdown, planned.clip)
    with suppress(FloatingPointError):
        meta_train(rule, watched, lambda phi: inf, training, seed=name, progress=chosen.name)
    return watched.notes


def main(names: list[str]) -> None:
    """Follow the recipes named and write their files. Raises ValueError, before any work, for what is no recipe."""
    torch.set_num_threads(1)
    chosen = {name: trial(name) for name in names or ["cifar-late"]}
    for name, one in chosen.items():
        if not isinstance(one, Recipe):
            raise ValueError(f"{name!r} is a trial of another recipe's rules; give a recipe")
    for name, one in chosen.items():
        with kernel.enabled():
            notes = follow(one)
        path = Path("results") / name / "diary.json"
        columns = {key: [v if isfinite(v := note[key]) else None for note in notes] for key in notes[0]}
        found: dict[str, Any] = {
            "command": f"python -m l2l_core.diary {name}",
            "recipe": name,
            "meta_seed": 0,
            **columns,
        }
        write_json(path, found)
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
