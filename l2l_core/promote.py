"""From a finished run to what the book stands on: `results/` and the zoo."""

import hashlib
from pathlib import Path
from typing import Any

from l2l_core.ablations import ABLATIONS
from l2l_core.claims import RESULTS
from l2l_core.experiment import trained_by
from l2l_core.recipes import Recipe
from l2l_core.report import numbers_of_problems
from l2l_core.store import check_same, load_tensors, read_json, save_tensors, write_atomically, write_json
from l2l_core.tree import Params
from l2l_core.trials import Trial
from l2l_core.zoo import ZOO


def promote(trial: Trial, run: Path, results: Path = RESULTS, zoo: Path = ZOO) -> list[str]:
    """Copy a finished paper-scale run into `results/`, and a recipe's rules into the zoo; return the rules' names.

    The meta-seed with the median validation score becomes `<recipe>-lstm`, or as the recipe has it `shipped`, the
    others `<recipe>-lstm-seed<k>`; the rules of an ablation, which nobody is meant to use, stay where they are.
    Raises ValueError, saying what is missing, for any other run: of another trial or scale, with seeds unfinished or
    untested, by settings that are not those of now, on stand-in data. Nothing is changed then. A kill on the way leaves
    no metrics, rather than some that speak of other rules than those in the zoo: promote again.
    """
    metrics = _finished(trial, run)
    _drawn(trial, run, metrics)
    rules = _trained(trial, run, metrics) if isinstance(trial, Recipe) else {}
    folder = results / trial.name
    (folder / "metrics.json").unlink(missing_ok=True)
    names = _into_zoo(trial, metrics, rules, zoo) if rules and trial.name not in ABLATIONS else []
    for file in ("curves.json", "metrics.json"):
        write_atomically(folder / file, (run / file).read_bytes())
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
    if metrics["data"].partition(",")[0] not in ("generated", "MNIST", "CIFAR-10", "ImageNet"):
        raise ValueError(f"only runs on real data are promoted; {run} used the {metrics['data']}")
    planned = numbers_of_problems(trial, "paper")
    if metrics["problems"] != planned:
        raise ValueError(f"{run} was tested on {metrics['problems']} problems, not on {planned}; evaluate it again")
    names = {*trial.baselines, *(f"{name} as printed" for name in trial.as_printed)}
    if lacking := sorted({*names, *(f"{name} carried over" for name in trial.carried)} - {*metrics["baselines"]}):
        raise ValueError(f"{run} lacks the baselines {', '.join(lacking)}; evaluate it again")
    seeds, found = trial.seeds("paper"), [seed["seed"] for seed in metrics["seeds"]]
    if missing := set(range(seeds)) - {*found}:
        raise ValueError(f"{run} lacks the meta-seeds {sorted(missing)} of {seeds}")
    if surplus := set(found) - set(range(seeds)):
        raise ValueError(f"{run} has the meta-seeds {sorted(surplus)} beyond the {seeds} that were planned")
    shipped = {facts["seed"]: facts.get("sha256") for _, facts in trial.finished("paper", run)}
    if other := [s["seed"] for s in metrics["seeds"] if s.get("sha256") != shipped.get(s["seed"])]:
        raise ValueError(f"the shipped meta-seeds {other} are not those that were tested; evaluate {run} again")
    return metrics


def _drawn(trial: Trial, run: Path, metrics: dict[str, Any]) -> None:
    """Raise ValueError unless the run's curves are those of its metrics, over the steps of the trial."""
    if not (run / "curves.json").exists():
        raise ValueError(f"{run} has no curves.json; evaluate it again")
    curves = read_json(run / "curves.json")
    steps = {str(step) for step in (trial.horizon, trial.test_steps)}
    entries = [*metrics["seeds"], *metrics["baselines"].values()]
    lengths = {len(curve["mean"]) for curve in (*curves["learned"], *curves["baselines"].values())}
    # curves from before their steps were recorded have all of them
    recorded = curves.get("steps", trial.kept) == trial.kept and lengths == {len(trial.kept)}
    if not recorded or any(entry["at"].keys() != steps for entry in entries):
        raise ValueError(f"{run} was not tested over the {trial.test_steps} steps of {trial.name!r}; evaluate it again")
    drawn = [curve["seed"] for curve in curves["learned"]], {*curves["baselines"]}
    if drawn != ([seed["seed"] for seed in metrics["seeds"]], {*metrics["baselines"]}):
        raise ValueError(f"the curves of {run} are not those of its metrics; evaluate it again")


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
    settings = trained_by(recipe, "paper")
    return {seed["seed"]: _tested(run, seed, settings) for seed in metrics["seeds"]}


def _tested(run: Path, seed: dict[str, Any], settings: dict[str, str]) -> Params:
    """The weights of a meta-seed, if they are those that the metrics speak of, trained by the settings of now."""
    path = run / f"seed{seed['seed']}" / "phi.safetensors"
    phi, facts = load_tensors(path)
    check_same(path, facts.get("settings", {}), **settings)
    if facts["validation"] != seed["validation"]:
        raise ValueError(f"{path} was trained further after it was tested; evaluate {run} again")
    return phi
