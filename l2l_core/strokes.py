"""What a trained rule does to single pixels while it paints: `python -m l2l_core.strokes`.

The paper's Figs. 10 to 13: updates of a pixel over time, beside those that hand-designed rules would have taken along
the same way, and the update as a function of the gradient at some steps.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.behaviour import plain, record, replay, response
from l2l_core.claims import RESULTS
from l2l_core.pictures import easel_of
from l2l_core.recipes.neural_art import NEURAL_ART
from l2l_core.rule import Rule
from l2l_core.rules import RULES, Reflected
from l2l_core.store import read_json, write_json
from l2l_core.tasks.neural_art import NeuralArt
from l2l_core.zoo import load_pretrained

PIXELS = ((1 / 4, 1 / 4), (1 / 2, 1 / 2), (3 / 4, 3 / 4))
"""Where the pixels lie that are followed, down and across the picture; their green, so that nobody chose by looks."""

SPAN = torch.linspace(-3, 3, 61)
"""Gradients at which the update is asked for, in units of the pixel's own root mean square."""


def coordinates(side: int) -> list[int]:
    """The places of `PIXELS` in the flat picture `[3 · side · side]`."""
    return [side * side + int(down * side) * side + int(across * side) for down, across in PIXELS]


@torch.no_grad()
def follow(rule: Rule, task: NeuralArt, rivals: dict[str, Rule], steps: int, marks: list[int]) -> dict[str, Any]:
    """Gradients and updates of `PIXELS` over a run of the rule, and updates against gradients at the steps `marks`.

    `rivals` are asked along the same gradients. A reflected rule's signs are undone: everything is told in the
    picture's own coordinates. For every pixel: "rms" of its gradient, "gradient" and, by rule, "updates" `[t]`;
    "curves" by rule `[mark][value]`, over `SPAN` times rms.
    """
    where = coordinates(task.contents.shape[-1])
    run = record(rule, task, steps, seed="strokes")
    signs = _signs(rule, task)[where]
    mirrored = run.grads[:, where]
    rms = mirrored.square().mean(0).sqrt()
    values = SPAN[:, None] * rms  # [61, k]
    found = {"lstm": (plain(rule), signs), **{name: (one, torch.ones(len(where))) for name, one in rivals.items()}}
    updates, curves = {}, {}
    for name, (one, s) in found.items():
        own, states = replay(one, s * signs * mirrored)  # signs undo the mirror, s puts a mirrored rule back into it
        updates[name] = s * own
        curves[name] = torch.stack([s * response(one, states[t], s * values, t) for t in marks])
    pixels = []
    for k in range(len(where)):
        pixels.append(
            {
                "rms": _short(rms[k]),
                "gradient": _short((signs * mirrored)[:, k]),
                "updates": {name: _short(u[:, k]) for name, u in updates.items()},
                "curves": {name: _short(c[:, :, k]) for name, c in curves.items()},
            }
        )
    return {"marks": marks, "span": _short(SPAN), "pixels": pixels}


def _signs(rule: Rule, task: NeuralArt) -> Tensor:
    picture = {"picture": task.contents[0]}
    if isinstance(rule, Reflected):
        return rule.init(picture).signs["picture"].flatten()
    return torch.ones(picture["picture"].numel())


def _short(values: Tensor) -> Any:
    return [_short(value) for value in values] if values.ndim else float(f"{float(values):.4g}")


def main() -> None:
    """Follow the shipped rule over one picture, beside Adam and SGD at their tuned rates, and write `strokes.json`."""
    torch.set_num_threads(1)
    home = NEURAL_ART[0]
    tuned = read_json(RESULTS / home.name / "metrics.json")["baselines"]
    rivals = {name: RULES[name](tuned[name]["lr"]) for name in ("adam", "sgd")}
    with kernel.enabled():
        task = easel_of(home, "temple")
        found = follow(load_pretrained("neural-art-lstm"), task, rivals, home.horizon, [8, 32, 64, 120])
    path = Path("results") / home.name / "strokes.json"
    write_json(path, {"command": "python -m l2l_core.strokes", "rule": "neural-art-lstm", **found})
    print(path)


if __name__ == "__main__":
    main()
