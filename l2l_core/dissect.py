"""`python -m l2l_core.dissect RECIPE`: the anatomy of a recipe's meta-gradients, written beside its results.

`mnist` and `mnist-as-printed` are opened at the weights of their checkpoints, selected and last; `wandering` is
followed step by step from fresh weights. Each takes one to three minutes.
"""

import sys
from pathlib import Path
from typing import Any

import torch

from l2l_core import kernel
from l2l_core.anatomy import measure, surfaces, trace, weights_of
from l2l_core.recipes import Recipe, fresh_rule, recipe
from l2l_core.rule import Rule
from l2l_core.rules import Reflected
from l2l_core.store import load_tensors, strip, write_json
from l2l_core.tree import Params

EPISODES, PROBLEMS = 8, 3
DISTANCES = (-0.03, -0.02, -0.01, -0.005, -0.002, 0, 0.002, 0.005, 0.01, 0.02, 0.03)
"""Along directions of length one: Adam moves a weight by its learning rate, 0.01 at the start of these runs."""
TRACED = 250


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
        steps = {line["validation"]: line["meta_step"] for line in facts["history"]}
        at = {"best": steps[facts["best_score"]], "phi": facts["step"]}
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
    """The anatomy of a recipe's meta-gradients, as its command stores it; at "smoke", a tiny one."""
    task, small = chosen.task("train", "cpu"), scale == "smoke"
    horizon, window = (4, 2) if small else (chosen.horizon, chosen.window)
    settings = {"horizon": horizon, "window": window}
    found: dict[str, Any] = {"recipe": chosen.name, "command": f"python -m l2l_core.dissect {chosen.name}"}
    with kernel.enabled(not small):
        if chosen.family == "wandering":
            rules = {"printed": fresh_rule(chosen, 0), "reflected": Reflected(fresh_rule(chosen, 0))}
            names = {"printed": "readout.bias", "reflected": "rule.readout.bias"}
            rate, steps = chosen.meta_lr[0], 5 if small else TRACED
            return found | {key: trace(rule, task, steps, rate, names[key]) for key, rule in rules.items()}
        all_states = [({"weights": "fresh"}, r := fresh_rule(chosen, 0), weights_of(r))] if small else None
        entries = []
        for known, rule, phi in all_states or states(chosen, checkpoints):
            entry = known | measure(rule, phi, task, 2 if small else EPISODES, **settings)
            if (known["weights"] == "selected" and known["seed"] == 0) or small:
                distances = (-0.01, 0, 0.01) if small else DISTANCES
                entry["surfaces"] = surfaces(rule, phi, task, 1 if small else PROBLEMS, distances=distances, **settings)
            print(known, flush=True)
            entries.append(entry)
    return found | {"states": entries}


def main(names: list[str]) -> None:
    """Dissect the recipes named and write `results/RECIPE/anatomy.json`."""
    torch.set_num_threads(1)
    for name in names or ["mnist-as-printed", "mnist", "wandering"]:
        path = Path("results") / name / "anatomy.json"
        write_json(path, dissect(recipe(name)))
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
