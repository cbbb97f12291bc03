"""Results of a trial as a page uses them: made now at smoke or paper scale, or read as committed."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from l2l_core.claims import RESULTS
from l2l_core.experiment import train_meta_seed
from l2l_core.recipes import Recipe
from l2l_core.report import command, report
from l2l_core.store import read_json
from l2l_core.trials import Trial

BOOK = "book"
"""The scale at which pages are read: nothing is retrained."""


class Results(NamedTuple):
    """The numbers of a trial: `metrics` and `curves` as `report` writes them, and where they come from."""

    metrics: dict[str, Any]
    curves: dict[str, Any]
    origin: str

    def learned(self, statistic: str = "mean") -> np.ndarray:
        """The learned rule's test curve (the "mean" or "median" over problems) of every meta-seed `[seed, t]`."""
        return np.array([seed[statistic] for seed in self.curves["learned"]])

    def baseline(self, name: str, statistic: str = "mean") -> np.ndarray:
        """A hand-designed rule's test curve `[t]`."""
        return np.array(self.curves["baselines"][name][statistic])

    @property
    def steps(self) -> np.ndarray:
        """The steps t that the curves have: of long runs, not every one (`Trial.kept`)."""
        first = next(iter(self.curves["learned"]))["mean"]
        return np.array(self.curves.get("steps", range(len(first))))

    @property
    def median_seed(self) -> int:
        """The position of the meta-seed with the median validation score: the one to show where one is shown."""
        order = np.argsort([seed["validation"] for seed in self.metrics["seeds"]])
        return int(order[(len(order) - 1) // 2])


def obtain(trial: Trial, scale: str, out: str | Path | None = None, device: str = "cpu") -> Results:
    """Results of `trial`: made at scale "smoke" or "paper" (into `out`, resumed from there), read at "book".

    Making them trains the meta-seeds of a recipe first. At "book" a finished run in `out` is preferred to the results
    that came with the package. Prints which. Raises FileNotFoundError if there is neither, ValueError if `out` holds
    another trial's run.
    """
    folder = Path(out) if out else Path("runs") / trial.name / scale
    if scale != BOOK:
        bars = os.environ.get("L2L_STATIC") != "1"
        made = "tested"
        if isinstance(trial, Recipe):
            made = "trained"
            for seed in range(trial.seeds(scale)):
                train_meta_seed(trial, scale, seed, folder, device=device, progress=bars)
        report(trial, scale, folder, f"obtain({trial.name!r}, {scale!r})", device=device, progress=bars)
        return _read(trial, folder, f"{made} now, at scale {scale}")
    if (folder / "metrics.json").exists():
        return _read(trial, folder, "read from `out`")
    if (RESULTS / trial.name / "metrics.json").exists():
        return _read(trial, RESULTS / trial.name, "the committed results")
    where = f"neither in {folder} nor in the package"
    raise FileNotFoundError(f"no results of {trial.name!r}: {where}. This makes them: {command(trial, 'paper')}")


def _read(trial: Trial, folder: Path, origin: str) -> Results:
    results = Results(read_json(folder / "metrics.json"), read_json(folder / "curves.json"), origin)
    if (found := results.metrics["recipe"]) != trial.name:
        raise ValueError(f"{folder} holds a run of {found!r}, not of {trial.name!r}; give each an `out` of its own")
    seeds = len(results.metrics["seeds"])
    print(f"{trial.name}: {origin} ({seeds} meta-seed{'s' * (seeds != 1)})")
    return results
