"""From a finished run to what the book stands on: `results/` and the zoo."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from l2l_core.ablations import ABLATIONS
from l2l_core.claims import RESULTS
from l2l_core.recipes import Recipe
from l2l_core.report import numbers_of_problems
from l2l_core.store import load_tensors, read_json, save_tensors, write_json
from l2l_core.tree import Params
from l2l_core.trials import Trial
from l2l_core.zoo import ZOO


def promote(trial: Trial, run: Path, results: Path = RESULTS, zoo: Path = ZOO) -> list[str]:
    """Copy a finished paper-scale run into `results/`, and a recipe's rules into the zoo; return the rules' names.

    The meta-seed with the median validation score becomes `<recipe>-lstm`, or as the recipe has it `shipped`, the
    others `<recipe>-lstm-seed<k>`; the rules of an ablation, which nobody is meant to use, stay where they are.
    Raises ValueError, saying what is missing, for any other run: of another trial or scale, with seeds unfinished or
    untested, on stand-in data. Nothing is changed then.
    """
    metrics = _finished(trial, run)
    rules = _trained(trial, run, metrics) if isinstance(trial, Recipe) else {}
    names = _into_zoo(trial, metrics, rules, zoo) if rules and trial.name not in ABLATIONS else []
    folder = results / trial.name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("metrics.json", "curves.json"):
        shutil.copyfile(run / file, folder / file)
    return names


def _into_zoo(recipe: Recipe, metrics: dict[str, Any], rules: dict[int, Params], zoo: Path) -> list[str]:
    seeds = sorted(metrics["seeds"], key=lambda seed: seed["validation"])
    median = seeds[(len(seeds) - 1) // 2]["seed"]
    # one recipe's name may begin with another's
    for old in [path for path in zoo.glob("*.json") if read_json(path)["recipe"] == recipe.name]:
        old.with_suffix(".safetensors").unlink(missing_ok=True)
        old.unlink()
    names = []
    for seed in seeds:
        k = seed["seed"]
        name = (recipe.shipped or f"{recipe.name}-lstm") + ("" if k == median else f"-seed{k}")
        path = zoo / f"{name}.safetensors"
        save_tensors(path, rules[k], {"recipe": recipe.name, "seed": k})
        card = {
            "recipe": recipe.name,
            "seed": k,
            "command": metrics["command"],
            "versions": metrics["versions"],
            "validation": seed["validation"],
            "test": seed["at"],
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        write_json(zoo / f"{name}.json", card)
        names.append(name)
    return names


def _finished(trial: Trial, run: Path) -> dict[str, Any]:
    if not (run / "metrics.json").exists():
        raise ValueError(f"nothing to promote: {run} has no metrics.json; evaluate {trial.name!r} first")
    metrics = read_json(run / "metrics.json")
    if metrics["recipe"] != trial.name:
        raise ValueError(f"{run} is a run of {metrics['recipe']!r}, not of {trial.name!r}")
    if metrics["scale"] != "paper":
        raise ValueError(f"only paper-scale runs are promoted; {run} is of scale {metrics['scale']!r}")
    if metrics["data"].partition(",")[0] not in ("generated", "MNIST", "CIFAR-10"):
        raise ValueError(f"only runs on real data are promoted; {run} used the {metrics['data']}")
    planned = numbers_of_problems(trial, "paper")
    if metrics["problems"] != planned:
        raise ValueError(f"{run} was tested on {metrics['problems']} problems, not on {planned}; evaluate it again")
    if lacking := sorted({*trial.baselines} - {*metrics["baselines"]}):
        raise ValueError(f"{run} lacks the baselines {', '.join(lacking)}; evaluate it again")
    seeds = trial.seeds("paper")
    missing = set(range(seeds)) - {seed["seed"] for seed in metrics["seeds"]}
    if missing:
        raise ValueError(f"{run} lacks the meta-seeds {sorted(missing)} of {seeds}")
    shipped = {facts["seed"]: facts.get("sha256") for _, facts in trial.finished("paper", run)}
    if other := [s["seed"] for s in metrics["seeds"] if s.get("sha256") != shipped.get(s["seed"])]:
        raise ValueError(f"the shipped meta-seeds {other} are not those that were tested; evaluate {run} again")
    return metrics


def _trained(recipe: Recipe, run: Path, metrics: dict[str, Any]) -> dict[int, Params]:
    """The weights of all meta-seeds, if each was trained to its end."""
    budget = recipe.budget("paper")
    fewer = [seed["seed"] for seed in metrics["seeds"] if len(seed["restarts"]) < budget.restarts]
    if fewer:
        raise ValueError(f"{run} has fewer than {budget.restarts} restarts of the meta-seeds {fewer}")
    short = [
        f"seed {seed['seed']} restart {one['restart']}: {one['meta_steps']}"
        for seed in metrics["seeds"]
        for one in seed["restarts"]
        if "diverged" not in one and one["meta_steps"] < budget.meta_steps
    ]
    if short:
        raise ValueError(f"{run} stopped before its {budget.meta_steps} meta-steps ({'; '.join(short)})")
    return {seed["seed"]: _tested(run, seed) for seed in metrics["seeds"]}


def _tested(run: Path, seed: dict[str, Any]) -> Params:
    """The weights of a meta-seed, if they are those that the metrics speak of."""
    path = run / f"seed{seed['seed']}" / "phi.safetensors"
    phi, facts = load_tensors(path)
    if facts["validation"] != seed["validation"]:
        raise ValueError(f"{path} was trained further after it was tested; evaluate {run} again")
    return phi
