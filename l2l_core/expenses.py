"""What the stored results took to make: `python -m l2l_core.expenses`."""

from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from l2l_core.ablations import ABLATIONS
from l2l_core.atlas import ATLAS, CURED
from l2l_core.claims import RESULTS
from l2l_core.panels import AS_TRAINED, PAIRS, PANELS, TEN_TIMES
from l2l_core.races import RACES
from l2l_core.recipes.cifar import CIFAR
from l2l_core.recipes.cures import CURES
from l2l_core.recipes.mnist import MNIST
from l2l_core.recipes.neural_art import NEURAL_ART
from l2l_core.recipes.quadratic import QUADRATICS
from l2l_core.recipes.surfaces import SURFACES
from l2l_core.recipes.wandering import WANDERING
from l2l_core.store import read_json
from l2l_core.styles import STRETCHED
from l2l_core.transfers import GRID, LARGER_START, NETWORKS, PRINTED_RELU
from l2l_core.trials import Trial

CHAPTERS: dict[str, tuple[Trial, ...]] = {
    "Quadratics": QUADRATICS,
    "The race on the first page": (*SURFACES, *RACES.values()),
    "MNIST": MNIST,
    "Transfer to other networks": (*NETWORKS.values(), PRINTED_RELU, LARGER_START),
    "The architecture grid": tuple(GRID.values()),
    "Failure atlas": (*ATLAS.values(), *CURES, *CURED.values()),
    "Why meta-training wanders": WANDERING,
    "What matters": tuple(ABLATIONS.values()),
    "Photographs": (*CIFAR, *PANELS.values(), *PAIRS.values(), TEN_TIMES, AS_TRAINED),
    "Neural art": (*NEURAL_ART, *STRETCHED),
}
"""Which trials a chapter shows; every trial is in one."""


class Expense(NamedTuple):
    """What a chapter's stored results took, in core-hours; `runs` are those of meta-training, restarts included.

    Processor time, or the clock's where older results noted no other, which is more on a busy machine; `tests` sums
    those of the `noted` trials whose tests noted their time. A run that diverged has none and makes `training` NaN.
    """

    chapter: str
    trials: int
    runs: int
    training: float
    tuning: float
    tests: float
    noted: int


def expenses(folder: Path = RESULTS) -> list[Expense]:
    """An entry for every chapter that has results in `folder`."""
    found = []
    for chapter, trials in CHAPTERS.items():
        files = [folder / trial.name / "metrics.json" for trial in trials]
        stored = [read_json(file) for file in files if file.exists()]
        if stored:
            found.append(_expense(chapter, stored))
    return found


def _expense(chapter: str, stored: list[dict[str, Any]]) -> Expense:
    runs = [run for metrics in stored for seed in metrics["seeds"] for run in seed.get("restarts", [])]
    training = sum(run.get("cpu_seconds") or run.get("seconds", nan) for run in runs)
    tuning = sum(entry.get("seconds", 0.0) for metrics in stored for entry in metrics["baselines"].values())
    tests = [seconds for metrics in stored if (seconds := metrics.get("test_seconds")) is not None]
    hours = (seconds / 3600 for seconds in (training, tuning, sum(tests)))
    return Expense(chapter, len(stored), len(runs), *hours, noted=len(tests))


def total(found: list[Expense]) -> Expense:
    """All of them together."""
    return Expense("Together", *(sum(column) for column in list(zip(*found, strict=True))[1:]))


def table(found: list[Expense]) -> list[tuple[str, ...]]:
    """Heads, a row for every chapter and the sums, as they are shown."""
    rows: list[tuple[str, ...]] = [("", "Trials", "Meta-trainings", "Training", "Tuning", "Tests (noted by)")]
    for one in (*found, total(found)):
        hours = f"{one.training:.2f}", f"{one.tuning:.2f}", f"{one.tests:.2f} ({one.noted})"
        rows.append((one.chapter, str(one.trials), str(one.runs), *hours))
    return rows


if __name__ == "__main__":
    for row in table(expenses()):
        print(f"{row[0]:28}", *(f"{entry:>16}" for entry in row[1:]))
