"""Results of a trial: tuned baselines, test curves of every meta-seed, and the numbers that claims are judged by."""

import hashlib
import json
import platform
import shlex
import time
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.baselines import Tuned, tune
from l2l_core.cost import peak_mb
from l2l_core.evaluation import at, evaluate, fitting, in_turn
from l2l_core.experiment import trained_by
from l2l_core.recipes import Recipe
from l2l_core.rule import Rule
from l2l_core.rules import RULES, Scheduled
from l2l_core.store import check_same, load_tensors, read_json, save_tensors, write_json
from l2l_core.training import portable
from l2l_core.trials import Trial
from l2l_core.types import Task

COORDINATES = 2**18
"""Coordinates that run at once: hand-designed rules on 16 small networks together take half the time of two.

A report keeps its curves in pieces of so many, so that a kill costs one.
"""


def tune_baselines(trial: Trial, scale: str, out: Path, *, device: str = "cpu", progress: bool = True) -> Any:
    """Tune every baseline of the trial for its horizon and for the whole test; cached in `out/baselines.json`.

    Without tuning problems every rate stays where it starts, so that one entry a baseline is all there is.

    Each entry: recipe, number of problems, rule, horizon tuned for, lr, validation score, the whole grid, seconds.
    Problems come from the validation set and from a stream of their own.

    Raises ValueError for baselines in `out` that were tuned for another recipe or by other settings.
    """
    trial, problems = trial.at_scale(scale), trial.budget(scale).tuning_problems
    task = trial.task("validation", "cpu")
    settings = {"recipe": trial.name, "problems": problems, "data": _source(task), "task": portable(repr(task))}
    settings |= {"average": trial.average, "unit": trial.unit}
    path, tuned = out / "baselines.json", {}
    entries = read_json(path) if path.exists() else {}
    for name, start in trial.baselines.items():
        for horizon in sorted({trial.horizon, trial.test_steps} if problems else {trial.horizon}):
            key = name if horizon == trial.horizon else f"{name}@{horizon}"
            if key in entries:
                # as in a checkpoint, what was written too early to mention a setting does not answer for it
                untuned = {} if problems else {"lr": start}
                check_same(path, entries[key], **settings, rule=name, horizon=horizon, **untuned)
            else:
                found = _tune(trial, scale, name, horizon, start, device, key if progress else None)
                entries[key] = {**settings, **found}
                write_json(path, entries)
            tuned[key] = entries[key]
    return tuned


def _tune(
    trial: Trial, scale: str, name: str, horizon: int, start: float, device: str, progress: str | None
) -> dict[str, Any]:
    task, problems = trial.task("validation", device), trial.budget(scale).tuning_problems
    begun = time.monotonic()

    def score(lr: float) -> float:
        label = progress and f"tuning {progress}, lr {lr:.4g}"
        rule = RULES[name](lr).to(device)
        seed = f"{trial.family}/tuning"
        curves = evaluate(rule, task, problems or 1, horizon, seed=seed, coordinates=COORDINATES, progress=label)
        value = trial.unit * float(at(curves, horizon, trial.average).mean())
        return value if isfinite(value) else inf

    try:
        tuned = tune(score, start) if problems else Tuned(start, value := score(start), [(start, value)])
    except ValueError as error:
        raise ValueError(f"tuning {name} for {horizon} steps: {error}") from error
    # JSON has no infinity: a rate that diverged has the score null
    grid = [[float(f"{lr:.6g}"), float(f"{value:.6g}") if isfinite(value) else None] for lr, value in tuned.grid]
    seconds = round(time.monotonic() - begun, 1)
    return {
        "rule": name,
        "horizon": horizon,
        "lr": tuned.lr,
        "validation": tuned.score,
        "grid": grid,
        "seconds": seconds,
    }


def report(trial: Trial, scale: str, out: Path, command: str, *, device: str = "cpu", progress: bool = True) -> Any:
    """Evaluate all finished meta-seeds and the tuned baselines of a trial on the same test problems.

    Writes `out/curves.json`, then `out/metrics.json`, and returns the metrics. What was tested before, of the same
    weights on the same problems, is kept in `out/curves/` and not tested again. Raises FileNotFoundError if no
    meta-seed has finished, ValueError for one of another recipe or scale, or for anything in `out` by other settings.
    """
    trial = trial.at_scale(scale)
    finished = [(rule, _ours(trial, scale, out, facts)) for rule, facts in trial.finished(scale, out)]
    baselines = tune_baselines(trial, scale, out, device=device, progress=progress)
    runs = {name: RULES[entry["rule"]](entry["lr"]) for name, entry in baselines.items()}
    runs |= {f"{name} as printed": RULES[name](lr) for name, lr in trial.as_printed.items()}
    runs |= {f"{name} carried over": RULES[name](lr) for name, lr in trial.carried.items()}
    curves, spent = {}, 0.0
    for name, rule in runs.items():
        horizon = baselines.get(name, {}).get("horizon", trial.horizon)
        curves[name], seconds = _test_curves(trial, scale, rule, horizon, device, out, name if progress else None)
        spent += seconds
    best = min(trial.baselines, key=lambda n: baselines[n]["validation"], default=None)

    seeds, learned = [], []
    for rule, facts in finished:
        label = f"seed {facts['seed']}" if progress else None
        curve, seconds = _test_curves(trial, scale, rule, trial.horizon, device, out, label)
        spent += seconds
        paired = {
            name: _statistics(trial, curve - other, trial.horizon) for name, other in curves.items() if "@" not in name
        }
        seeds.append({**facts, **_numbers(trial, curve), "minus": paired})
        learned.append({"seed": facts["seed"], **summary(trial, curve)})

    (out / "metrics.json").unlink(missing_ok=True)  # of earlier curves
    metrics = {
        "recipe": trial.name,
        "summary": trial.summary,
        "scale": scale,
        "command": command,
        "data": _source(trial.task("test", device)),
        "problems": numbers_of_problems(trial, scale),
        "best_baseline": best,
        "success": best and _success(seeds, baselines[best]["validation"]),
        "seeds": seeds,
        "baselines": {name: {**_short(baselines, name), **_numbers(trial, curve)} for name, curve in curves.items()},
        "test_seconds": round(spent, 1) if isfinite(spent) else None,
        "peak_mb": peak_mb(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    shown = {name: summary(trial, curve) for name, curve in curves.items()}
    write_json(out / "curves.json", {"steps": trial.kept, "learned": learned, "baselines": shown})
    write_json(out / "metrics.json", metrics)  # last, because it says that all is there
    return metrics


def command(trial: Trial, scale: str) -> str:
    """What to type for the results of a trial."""
    verb = "train" if isinstance(trial, Recipe) else "evaluate"
    return f"python -m l2l_core {verb} {shlex.quote(trial.name)} --scale {scale}"


def numbers_of_problems(trial: Trial, scale: str) -> dict[str, int]:
    """How many a trial takes for each purpose: "tuning", "test" and, where a rule is trained, "validation"."""
    return {key.removesuffix("_problems"): n for key, n in vars(trial.budget(scale)).items() if "problems" in key}


def _ours(trial: Trial, scale: str, out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """What is known of a meta-seed, but for the settings by which it was trained, which must be those of now."""
    if "settings" in facts:
        check_same(out / f"seed{facts['seed']}", facts["settings"], **trained_by(trial, scale))
    return {key: value for key, value in facts.items() if key != "settings"}


def _short(baselines: dict[str, Any], name: str) -> dict[str, Any]:
    """The entry of a baseline, but for what is the same for all."""
    return {k: v for k, v in baselines.get(name, {}).items() if k not in ("data", "task", "average", "unit")}


def _source(task: Task) -> str:
    return getattr(task, "source", "generated")


def _test_curves(
    trial: Trial, scale: str, rule: Rule, horizon: int, device: str, out: Path, progress: str | None
) -> tuple[Tensor, float]:
    """Losses on the test problems `[problems, steps+1]` in reported units, kept in files named by what made them.

    With them the processor seconds that they took, NaN where a file was written too early to mention them.
    """
    task, problems = trial.task("test", device), trial.budget(scale).test_problems
    facts = {
        "recipe": trial.name,
        "data": _source(task),
        "kernel": scale != "smoke",
        "steps": trial.test_steps,
        "horizon": horizon if isinstance(rule, Scheduled) else None,  # nothing else reads it
        "weights": _fingerprint(rule),
    }
    if type(task).problem is not Task.problem:  # what was tested before such tasks were shown in turn is no answer
        facts["shown"] = "in turn"
    described = portable(repr(trial.task("test", "cpu")))
    pieces, spent, size = [], 0.0, fitting(task, COORDINATES)
    for first in range(0, problems, size):
        facts |= {"first": first, "problems": min(size, problems - first)}
        path = out / "curves" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.safetensors"
        if not path.exists():
            label = progress and f"testing {progress}, run {first} of {problems}"
            begun = time.process_time()
            with kernel.enabled(scale != "smoke"):
                curves = evaluate(
                    rule.to(device),
                    task,
                    facts["problems"],
                    trial.test_steps,
                    seed=f"{trial.family}/test",
                    first=first,
                    horizon=horizon,
                    coordinates=COORDINATES,
                    draw=in_turn,
                    progress=label,
                )
            known = {**facts, "task": described, "family": trial.family, "seconds": time.process_time() - begun}
            save_tensors(path, {"losses": curves}, known)
        tensors, known = load_tensors(path)
        check_same(path, known, task=described, family=trial.family)
        pieces.append(tensors["losses"])
        spent += known.get("seconds", nan)
    return trial.unit * torch.cat(pieces).double(), spent


def _fingerprint(rule: Rule) -> str:
    """Of a rule's settings and weights."""
    weights = [w.detach().cpu().numpy().tobytes() for w in rule.parameters()]
    return hashlib.sha256(b"".join([repr(rule).encode(), *weights])).hexdigest()


def _statistics(trial: Trial, curves: Tensor, step: int) -> dict[str, float]:
    """Mean, its standard error (left out for a single problem) and median of the loss at one step."""
    values = at(curves, step, trial.average)
    numbers = {"mean": values.mean(), "median": values.median()}
    if len(values) > 1:
        numbers["se"] = values.std() / len(values) ** 0.5
    return {key: float(f"{float(value):.5g}") for key, value in numbers.items()}


def _numbers(trial: Trial, curves: Tensor) -> dict[str, Any]:
    steps = sorted({trial.horizon, trial.test_steps})
    total = float(f"{curves[:, : trial.horizon].sum(1).mean():.5g}")
    diverged = int((~curves.isfinite()).any(1).sum())
    at_steps = {str(step): _statistics(trial, curves, step) for step in steps}
    return {"at": at_steps, "sum": total, "diverged": diverged}


def summary(trial: Trial, curves: Tensor) -> dict[str, list[float]]:
    """Mean, median and quartiles ("low", "high") over problems `[problems, steps+1]` at the steps that are kept."""

    def short(values: Tensor) -> list[float]:
        return [float(f"{value:.5g}") for value in values.tolist()]

    curves = curves[:, trial.kept]
    low, high = (short(curves.quantile(share, 0)) for share in (0.25, 0.75))
    return {"mean": short(curves.mean(0)), "median": short(curves.median(0).values), "low": low, "high": high}


def _success(seeds: list[dict[str, Any]], rival: float) -> dict[str, int] | None:
    """Single runs, before selection, whose validation loss beats the best tuned baseline's; None if none was made."""
    runs = [run for seed in seeds for run in seed.get("restarts", [])]
    return {"runs": len(runs), "succeeded": sum(run.get("validation", inf) < rival for run in runs)} if runs else None
