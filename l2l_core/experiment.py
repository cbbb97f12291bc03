"""From a recipe to results: meta-seeds, restarts, selection, baselines and reports, resumable at every point."""

import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from l2l_core import kernel
from l2l_core.cost import peak_mb
from l2l_core.distributed import is_writer
from l2l_core.recipes import Recipe, fresh_rule
from l2l_core.rule import Rule
from l2l_core.store import held, save_tensors
from l2l_core.training import Trained, identity, meta_train
from l2l_core.tree import Params


def train_meta_seed(
    recipe: Recipe,
    scale: str,
    seed: int,
    out: Path,
    *,
    device: str = "cpu",
    shard: tuple[int, int] = (0, 1),
    progress: bool = True,
) -> Params:
    """One whole procedure: every restart to its end, the best on validation selected, one φ out.

    Writes `out/seed{seed}/restart{r}/…` on the way and `out/seed{seed}/phi.safetensors` at the end, with the
    scores of all restarts. A run whose meta-gradient stops being finite is recorded as diverged. Raises ValueError
    while another process trains the same.
    """
    folder = out / f"seed{seed}"
    with held(folder) if is_writer() else nullcontext():
        return _all_restarts(recipe, scale, seed, folder, device, shard, progress)


def _all_restarts(
    recipe: Recipe, scale: str, seed: int, folder: Path, device: str, shard: tuple[int, int], progress: bool
) -> Params:
    runs: list[dict[str, Any]] = []
    best: Trained | None = None
    for restart in range(recipe.budget(scale).restarts):
        with kernel.enabled(scale != "smoke"):
            trained, record = _restart(recipe, scale, seed, restart, folder, device, shard, progress)
        runs.append(record)
        if trained is not None and (best is None or trained.score < best.score):
            best = trained
    if best is None:
        raise FloatingPointError(f"all {len(runs)} restarts of meta-seed {seed} diverged: {runs}")
    facts = {"recipe": recipe.name, "scale": scale, "seed": seed, "validation": best.score, "restarts": runs}
    if is_writer():
        save_tensors(folder / "phi.safetensors", best.phi, {**facts, "settings": trained_by(recipe, scale)})
    return best.phi


def trained_by(recipe: Recipe, scale: str) -> dict[str, str]:
    """What must agree for weights to be a result of `recipe` as it stands: what a checkpoint asks, and the data."""
    rule = fresh_rule(recipe, 0)
    own = {name: w.detach() for name, w in rule.named_parameters()}
    found = identity(own, recipe.estimator(rule, scale, "cpu"), recipe.training(scale, recipe.meta_lr[0]), 0)
    return {**found, "meta_lr": repr(recipe.meta_lr)}


def beginning(recipe: Recipe, seed: int, restart: int) -> tuple[str, float, Rule]:
    """How a restart begins: the name of its stream of problems, its learning rate for φ, and its fresh rule."""
    name = f"{recipe.stream or recipe.name}/{seed}/{restart}"
    low, high = recipe.meta_lr
    lr = low * (high / low) ** random.Random(name).random()
    return name, lr, fresh_rule(recipe, random.Random(f"{name}/weights").getrandbits(32))


def _restart(
    recipe: Recipe,
    scale: str,
    seed: int,
    restart: int,
    folder: Path,
    device: str,
    shard: tuple[int, int],
    progress: bool,
) -> tuple[Trained | None, dict[str, Any]]:
    name, lr, rule = beginning(recipe, seed, restart)
    rule.to(device)
    record = {"restart": restart, "meta_lr": lr}
    try:
        trained = meta_train(
            rule,
            recipe.estimator(rule, scale, device, shard),
            recipe.validation(rule, scale, device),
            recipe.training(scale, lr),
            seed=name,
            out=folder / f"restart{restart}",
            device=device,
            progress=f"{recipe.name}/{seed}/{restart}" if progress else None,
        )
    except FloatingPointError as error:
        return None, {**record, "diverged": str(error)}
    last = trained.history[-1]
    return trained, {
        **record,
        "validation": trained.score,
        "meta_steps": last["meta_step"],
        "seconds": last["seconds"],
        "cpu_seconds": last.get("cpu_seconds"),
        "peak_mb": peak_mb(),
        "history": [[line["meta_step"], round(line["validation"], 5)] for line in trained.history],
    }
