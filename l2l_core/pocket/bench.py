"""Running a rule on the pocket benchmark, and the tuned baselines that it is held against, stored as data."""

import platform
import time
from importlib.metadata import version
from math import exp, inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from l2l_core.baselines import Tuned, tune
from l2l_core.claims import RESULTS
from l2l_core.evaluation import at, evaluate
from l2l_core.pocket.own import said
from l2l_core.pocket.tasks import BASELINES, POCKET, PocketTask
from l2l_core.profiles import FLOOR, arrivals, running, targets
from l2l_core.rule import Rule
from l2l_core.rules import RULES
from l2l_core.store import read_json, write_json
from l2l_core.types import Task

STEPS = 100
PROBLEMS = 10
"""Steps of a run and test problems of a task: a hundred runs of a hundred steps."""

TUNING = 16
"""Problems of a task on which the baselines' rates are tuned, none of them among the test problems."""

STORED = RESULTS / "pocket.json"
"""The baselines that come with the package, written by `python -m l2l_core pocket --tune`."""

Steps = dict[str, np.ndarray]
"""By task: the step at which each problem's target was reached, ∞ if never, `[problems]`."""


class Reference(NamedTuple):
    """What the tuned baselines did: by task the loss at each start and each target, by baseline its `Steps`.

    `facts` are those of the file: rates, versions, the command.
    """

    starts: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    baselines: dict[str, Steps]
    facts: dict[str, Any]


def race(rule: Rule, reference: Reference, progress: str | None = None) -> Steps:
    """The steps that `rule` needs on the test problems of every task that the reference has a start for.

    Raises FloatingPointError for a rule whose loss is infinite or not a number at the end of every run, ValueError for
    one that cannot be run, or if the problems here are not those of the reference, ImportError without scikit-learn.
    """
    found, ends = {}, []
    tasks = {name: POCKET[name].task("test") for name in reference.starts}  # without their data, nothing is run
    for name, starts in reference.starts.items():
        try:
            losses = _losses(rule, tasks[name], POCKET[name].average, len(starts), progress and f"{progress} on {name}")
        except Exception as error:  # whatever the reader's own code raises is what there is to say about it
            raise ValueError(f"running the rule on {name!r} raised {said(error)}") from error
        if not np.allclose(losses[:, 0], starts, rtol=1e-3):
            raise ValueError(
                f"the problems of {name!r} are not those of the stored baselines, perhaps because of another version "
                "of PyTorch or scikit-learn; tune baselines here: --tune --baselines FILE"
            )
        found[name] = arrivals(losses, reference.targets[name])
        ends.append(losses[:, -1])
    if not np.isfinite(ends).any():
        raise FloatingPointError("the rule diverges on every problem: no run ends with a finite loss")
    return found


def reference(path: Path = STORED, problems: int = PROBLEMS) -> Reference:
    """The stored baselines on the first `problems` test problems of every task.

    Raises ValueError if they were made for another benchmark than that of now, or for fewer problems.
    """
    if not 1 <= problems <= PROBLEMS:
        raise ValueError(f"there are 1 to {PROBLEMS} problems of a task, got {problems}")
    facts = read_json(path)
    if not isinstance(facts, dict) or {key: facts.get(key) for key in _settings()} != _settings():
        raise ValueError(f"{path} was made for another benchmark; `{_command(path)}` makes it again")
    tasks = facts["results"]

    def column(values: list[float | None]) -> np.ndarray:
        # JSON has no infinity: a target that is never reached has the step null
        return np.array([inf if value is None else value for value in values[:problems]])

    starts, goals = ({name: column(one[key]) for name, one in tasks.items()} for key in ("start", "target"))
    baselines = {
        rule: {name: column(one["baselines"][rule]["steps"]) for name, one in tasks.items()} for rule in BASELINES
    }
    return Reference(starts, goals, baselines, facts)


def tune_baselines(path: Path, progress: bool = True) -> Reference:
    r"""Tune every baseline on every task, run it on the test problems, and write what `reference` reads to `path`.

    The best rate has the lowest geometric mean of final losses over `TUNING` problems: the targets are set on a
    logarithmic axis, too. Then the targets are fixed, by the lowest running loss of any tuned baseline.
    """
    results, seconds = {}, time.process_time()
    for name, one in POCKET.items():
        found = {rule: _tune(rule, one, f"tuning {rule} on {name}" if progress else None) for rule in one.rates}
        task = one.task("test")
        losses = {rule: _losses(RULES[rule](tuned.lr), task, one.average, PROBLEMS) for rule, tuned in found.items()}
        start = next(iter(losses.values()))[:, 0]
        goals = _short(targets(start, np.nanmin(list(losses.values()), (0, 2))))
        baselines = {rule: _entry(tuned, losses[rule], goals) for rule, tuned in found.items()}
        results[name] = {"start": _short(start), "target": goals, "baselines": baselines}
    facts = {
        "command": _command(path),
        **_settings(),
        "seconds": round(time.process_time() - seconds),
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("torch", "numpy", "scikit-learn")},
        },
        "results": results,
    }
    write_json(path, facts)
    return reference(path, PROBLEMS)


def _command(path: Path) -> str:
    return "python -m l2l_core pocket --tune" + ("" if path == STORED else f" --baselines {path}")


def _settings() -> dict[str, Any]:
    tasks = {name: [one.summary, one.average] for name, one in POCKET.items()}
    return {"steps": STEPS, "problems": PROBLEMS, "tuning": TUNING, "floor": FLOOR, "tasks": tasks, "rules": BASELINES}


def _tune(rule: str, one: PocketTask, progress: str | None) -> Tuned:
    task = one.task("validation")

    def score(lr: float) -> float:
        curves = evaluate(
            RULES[rule](lr), task, TUNING, STEPS, seed="pocket/tuning", coordinates=2**18, progress=progress
        )
        return _centre(at(curves, STEPS, one.average), curves[:, 0])

    return tune(score, one.rates[rule])


def _centre(ends: Tensor, starts: Tensor) -> float:
    """The geometric mean; what a target cannot ask for does not count."""
    return exp(float(torch.maximum(ends, FLOOR * starts).log().mean()))


def _losses(rule: Rule, task: Task, average: int, problems: int, progress: str | None = None) -> np.ndarray:
    curves = evaluate(rule, task, problems, STEPS, seed="pocket/test", coordinates=2**18, progress=progress)
    return running(curves.double().numpy(), average)


def _entry(tuned: Tuned, losses: np.ndarray, goals: list[float]) -> dict[str, Any]:
    steps = [int(t) if t < inf else None for t in arrivals(losses, goals)]
    (score,) = _short([tuned.score])
    return {"lr": tuned.lr, "validation": score, "rates": len(tuned.grid), "steps": steps}


def _short(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
