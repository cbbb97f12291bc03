"""Results of a recipe: tuned baselines, test curves of every meta-seed, and the numbers that claims are judged by."""

import platform
import time
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.baselines import Tuned, tune
from l2l_core.evaluation import at, evaluate
from l2l_core.recipes import Recipe, fresh_rule
from l2l_core.rule import Rule
from l2l_core.rules import RULES
from l2l_core.store import load_tensors, read_json, write_json


def tune_baselines(recipe: Recipe, scale: str, out: Path, *, device: str = "cpu", progress: bool = True) -> Any:
    """Tune every baseline of the recipe for its horizon and for the whole test; cached in `out/baselines.json`.

    Without tuning problems every rate stays where it starts, so that one entry a baseline is all there is.

    Each entry: recipe, number of problems, rule, horizon tuned for, lr, validation score, the whole grid, seconds.
    Problems come from the validation set and from a stream of their own.

    Raises ValueError for baselines in `out` that were tuned for another recipe or on another number of problems.
    """
    horizons = {recipe.horizon, recipe.test_steps} if recipe.budget(scale).tuning_problems else {recipe.horizon}
    path = out / "baselines.json"
    entries = read_json(path) if path.exists() else {}
    for entry in entries.values():
        # as in a checkpoint, what was written too early to mention a setting does not answer for it
        _check_same(path, entry, recipe=recipe.name, problems=recipe.budget(scale).tuning_problems)
    for name, start in recipe.baselines.items():
        for horizon in sorted(horizons):
            key = name if horizon == recipe.horizon else f"{name}@{horizon}"
            if key not in entries:
                entries[key] = _tune(recipe, scale, name, horizon, start, device, key if progress else None)
                write_json(path, entries)
    return entries


def _tune(
    recipe: Recipe, scale: str, name: str, horizon: int, start: float, device: str, progress: str | None
) -> dict[str, Any]:
    task, problems = recipe.task("validation", device), recipe.budget(scale).tuning_problems
    begun = time.monotonic()

    def score(lr: float) -> float:
        label = progress and f"tuning {progress}, lr {lr:.4g}"
        rule = RULES[name](lr).to(device)
        curves = evaluate(rule, task, problems or 1, horizon, seed=f"{recipe.family}/tuning", progress=label)
        value = recipe.unit * float(at(curves, horizon, recipe.average).mean())
        return value if isfinite(value) else inf

    try:
        tuned = tune(score, start) if problems else Tuned(start, value := score(start), [(start, value)])
    except ValueError as error:
        raise ValueError(f"tuning {name} for {horizon} steps: {error}") from error
    # JSON has no infinity: a rate that diverged has the score null
    grid = [[float(f"{lr:.6g}"), float(f"{value:.6g}") if isfinite(value) else None] for lr, value in tuned.grid]
    seconds = round(time.monotonic() - begun, 1)
    return {
        "recipe": recipe.name,
        "problems": problems,
        "rule": name,
        "horizon": horizon,
        "lr": tuned.lr,
        "validation": tuned.score,
        "grid": grid,
        "seconds": seconds,
    }


def report(recipe: Recipe, scale: str, out: Path, command: str, *, device: str = "cpu", progress: bool = True) -> Any:
    """Evaluate all finished meta-seeds in `out` and the tuned baselines on the same test problems.

    Writes `out/curves.json`, then `out/metrics.json`, and returns the metrics. Raises FileNotFoundError if no
    meta-seed has finished, ValueError for one of another recipe or scale.
    """
    files = sorted(out.glob("seed*/phi.safetensors"), key=lambda path: int(path.parent.name.removeprefix("seed")))
    if not files:
        raise FileNotFoundError(f"no meta-seed of {recipe.name!r} has finished in {out}; train it first")
    finished = [load_tensors(path) for path in files]
    for path, (_, facts) in zip(files, finished, strict=True):
        _check_same(path, facts, recipe=recipe.name, scale=scale)
    baselines = tune_baselines(recipe, scale, out, device=device, progress=progress)
    runs = {name: RULES[entry["rule"]](entry["lr"]) for name, entry in baselines.items()}
    runs |= {f"{name} as printed": RULES[name](lr) for name, lr in recipe.as_printed.items()}
    curves = {}
    for name, rule in runs.items():
        horizon = baselines.get(name, {}).get("horizon", recipe.horizon)
        curves[name] = _test_curves(recipe, scale, rule, horizon, device, name if progress else None)
    best = min(recipe.baselines, key=lambda n: baselines[n]["validation"], default=None)

    seeds, learned = [], []
    for phi, facts in finished:
        rule = fresh_rule(recipe, 0)
        rule.load_state_dict(phi)
        label = f"seed {facts['seed']}" if progress else None
        curve = _test_curves(recipe, scale, rule, recipe.horizon, device, label)
        paired = {
            name: _statistics(recipe, curve - other, recipe.horizon)
            for name, other in curves.items()
            if "@" not in name
        }
        seeds.append({**facts, **_numbers(recipe, curve), "minus": paired})
        learned.append({"seed": facts["seed"], **_curve(curve)})

    budget, task = recipe.budget(scale), recipe.task("test", device)
    metrics = {
        "recipe": recipe.name,
        "summary": recipe.summary,
        "scale": scale,
        "command": command,
        "data": getattr(task, "source", "generated"),
        "problems": {
            "validation": budget.validation_problems,
            "tuning": budget.tuning_problems,
            "test": budget.test_problems,
        },
        "best_baseline": best,
        "success": best and _success(seeds, baselines[best]["validation"]),
        "seeds": seeds,
        "baselines": {name: {**baselines.get(name, {}), **_numbers(recipe, curve)} for name, curve in curves.items()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    write_json(out / "curves.json", {"learned": learned, "baselines": {name: _curve(c) for name, c in curves.items()}})
    write_json(out / "metrics.json", metrics)  # last, because it says that all is there
    return metrics


def _check_same(path: Path, facts: dict[str, Any], **settings: Any) -> None:
    for key, value in settings.items():
        if facts.get(key, value) != value:
            what = f"{key} {facts[key]!r}, not {value!r}"
            raise ValueError(f"{path} belongs to another run: {what}. Use another `out`, or delete it.")


def _test_curves(recipe: Recipe, scale: str, rule: Rule, horizon: int, device: str, progress: str | None) -> Tensor:
    task, problems = recipe.task("test", device), recipe.budget(scale).test_problems
    label = progress and f"testing {progress}"
    with kernel.enabled(scale != "smoke"):
        curves = evaluate(
            rule.to(device),
            task,
            problems,
            recipe.test_steps,
            seed=f"{recipe.family}/test",
            horizon=horizon,
            progress=label,
        )
    return recipe.unit * curves.double().cpu()


def _statistics(recipe: Recipe, curves: Tensor, step: int) -> dict[str, float]:
    """Mean, its standard error (left out for a single problem) and median of the loss at one step."""
    values = at(curves, step, recipe.average)
    numbers = {"mean": values.mean(), "median": values.median()}
    if len(values) > 1:
        numbers["se"] = values.std() / len(values) ** 0.5
    return {key: float(f"{float(value):.5g}") for key, value in numbers.items()}


def _numbers(recipe: Recipe, curves: Tensor) -> dict[str, Any]:
    steps = sorted({recipe.horizon, recipe.test_steps})
    total = float(f"{curves[:, : recipe.horizon].sum(1).mean():.5g}")
    return {"at": {str(step): _statistics(recipe, curves, step) for step in steps}, "sum": total}


def _curve(curves: Tensor) -> dict[str, list[float]]:
    def short(values: Tensor) -> list[float]:
        return [float(f"{value:.5g}") for value in values.tolist()]

    return {"mean": short(curves.mean(0)), "median": short(curves.median(0).values)}


def _success(seeds: list[dict[str, Any]], rival: float) -> dict[str, int]:
    """Single runs, before selection, whose validation loss beats the best tuned baseline's."""
    runs = [run for seed in seeds for run in seed["restarts"]]
    return {"runs": len(runs), "succeeded": sum(run.get("validation", inf) < rival for run in runs)}
