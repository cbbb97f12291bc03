"""`python -m l2l_core.dissect RECIPE`: the anatomy of a recipe's meta-gradients, written beside its results.

`mnist` and `mnist-as-printed` are opened at the weights of their checkpoints, selected and last; `wandering` is
followed step by step from fresh weights. Each takes one to three minutes.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from l2l_core import kernel
from l2l_core.anatomy import measure, surfaces, trace, weights_of
from l2l_core.recipes import Recipe, fresh_rule, recipe
from l2l_core.rule import Rule
from l2l_core.rules import Reflected
from l2l_core.store import load_tensors, strip, write_json
from l2l_core.tree import Params


class Size(NamedTuple):
    """How thoroughly: `episodes` for a meta-gradient, `problems` and `distances` for a surface, `traced` meta-steps."""

    episodes: int
    problems: int
    distances: tuple[float, ...]
    traced: int


SIZES = {
    "smoke": Size(2, 1, (-0.01, 0, 0.01), 5),
    "paper": Size(8, 3, (-0.03, -0.02, -0.01, -0.005, -0.002, 0, 0.002, 0.005, 0.01, 0.02, 0.03), 250),
}
"""Along directions of length one: Adam moves a weight by its learning rate, 0.01 at the start of these runs."""


def states(chosen: Recipe, checkpoints: Path) -> list[tuple[dict[str, Any], Rule, Params]]:
    """What is known of, a rule for, and φ at: fresh weights, then the selected and the last of each meta-seed.

    A reflected rule's selected weights come once more without reflection. Raises FileNotFoundError where there are
    no checkpoints.
    """
    paths = sorted((checkpoints / chosen.name).glob("paper/seed*/restart0/checkpoint.safetensors"))
    if not paths:
        raise FileNotFoundError(f"no checkpoints of {chosen.name!r} in {checkpoints}")
    rule = fresh_rule(chosen, 0)
    found = [({"weights": "fresh"}, rule, weights_of(rule))]
    for path in paths:
        tensors, facts = load_tensors(path)
        seed = int(path.parts[-3].removeprefix("seed"))
        # the selected weights are the first with the best score; with no finite score, those of the start
        best = (line["meta_step"] for line in facts["history"] if line["validation"] == facts["best_score"])
        at = {"best": next(best, 0), "phi": facts["step"]}
        for part, label in (("best", "selected"), ("phi", "last")):
            phi = strip(tensors, f"{part}.")
            phi = {name: phi[name] for name, _ in rule.named_parameters()}  # files keep another order
            known = {"weights": label, "seed": seed, "meta_step": at[part]}
            found.append((known, rule, phi))
            if part == "best" and isinstance(rule, Reflected):
                inner = {name.removeprefix("rule."): w for name, w in phi.items()}
                found.append(({**known, "weights": "selected, not reflected"}, rule.rule, inner))
    return found


def dissect(chosen: Recipe, checkpoints: Path = Path("checkpoints"), *, scale: str = "paper") -> dict[str, Any]:
    """The anatomy of a recipe's meta-gradients, as its command stores it; at "smoke", a tiny one of fresh weights."""
    found = {"recipe": chosen.name, "command": f"python -m l2l_core.dissect {chosen.name}"}
    with kernel.enabled(scale != "smoke"):
        if chosen.family == "wandering":
            return found | followed(chosen, SIZES[scale])
        if scale == "smoke":
            rule = fresh_rule(chosen, 0)
            opened = [({"weights": "fresh", "seed": 0}, rule, weights_of(rule))]
            return found | {"states": taken_apart(chosen, opened, SIZES[scale], horizon=4, window=2)}
        opened = states(chosen, checkpoints)
        sizes = {"horizon": chosen.horizon, "window": chosen.window}
        return found | {"states": taken_apart(chosen, opened, SIZES[scale], **sizes)}


def taken_apart(
    chosen: Recipe, opened: list[tuple[dict[str, Any], Rule, Params]], size: Size, **steps: int
) -> list[dict[str, Any]]:
    """The meta-gradients at each of the weights, and for the first of a meta-seed 0 the surfaces around it."""
    task, entries, drawn = chosen.task("train", "cpu"), [], False
    for known, rule, phi in opened:
        entry = known | measure(rule, phi, task, size.episodes, **steps)
        if known.get("seed") == 0 and not drawn:
            entry["surfaces"] = surfaces(rule, phi, task, size.problems, distances=size.distances, **steps)
            drawn = True
        print(known, flush=True)
        entries.append(entry)
    return entries


def followed(chosen: Recipe, size: Size) -> dict[str, Any]:
    """The first meta-steps of a run from fresh weights, and of the same in reflection."""
    task, rate = chosen.task("train", "cpu"), chosen.meta_lr[0]
    printed, mirrored = fresh_rule(chosen, 0), Reflected(fresh_rule(chosen, 0))
    return {
        "printed": trace(printed, task, size.traced, rate, "readout.bias"),
        "reflected": trace(mirrored, task, size.traced, rate, "rule.readout.bias"),
    }


def main(names: list[str]) -> None:
    """Dissect the recipes named and write `results/RECIPE/anatomy.json`."""
    torch.set_num_threads(1)
    for name in names or ["mnist-as-printed", "mnist", "wandering"]:
        path = Path("results") / name / "anatomy.json"
        write_json(path, dissect(recipe(name)))
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
