"""One number of a trained rule, moved a little: `python -m l2l_core.readout_bias RECIPE`.

Writes what comes of it to `results/RECIPE/readout_bias.json`.
"""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.catalogue import trial
from l2l_core.evaluation import PIECE, generator
from l2l_core.metagrad import draw
from l2l_core.rule import Rule
from l2l_core.rules.wrappers import ReflectedState
from l2l_core.store import write_json
from l2l_core.tree import map_tree, ravel, stack
from l2l_core.types import Task
from l2l_core.unroll import Unroll
from l2l_core.zoo import load_pretrained

OFFSETS = (-0.1, -0.03, -0.01, 0.0, 0.01, 0.03, 0.1)
"""What is added to the read-out bias."""
LAST = 20
"""Steps over which what is noted is averaged."""


def shifted(rule: Rule, offset: float) -> Rule:
    """A copy of `rule` whose read-out biases are all larger by `offset`. Raises ValueError if it has none."""
    copy = deepcopy(rule)
    biases = [b for name, b in copy.named_parameters() if name.endswith("readout.bias")]
    if not biases:
        raise ValueError(f"the rule has no read-out bias; it has {', '.join(n for n, _ in rule.named_parameters())}")
    with torch.no_grad():
        for bias in biases:
            bias += offset
    return copy


@torch.no_grad()
def leaning(rule: Rule, task: Task, marks: list[int], *, seed: object = 0) -> dict[str, list[float]]:
    r"""Let a `Reflected` rule train one problem of `task` and note, averaged over the `LAST` steps to each mark:

    `loss` f(θ_t); `lean`, the mean over coordinates of $s \odot g_t$, what the rule adds to each in its own coordinate
    system whatever the gradient; `update`, the root mean square of g_t; and `weights`, that of θ_t at the mark.
    Raises ValueError for marks that do not increase from `LAST` or more.
    """
    if not marks or marks[0] < LAST or sorted({*marks}) != marks:
        raise ValueError(f"steps to look at must increase from {LAST} or more, got {marks}")
    gen, phi = generator("read-out bias", seed), dict(rule.named_parameters())
    problem, unroll = task.sample(gen), Unroll(rule, marks[-1])
    first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
    carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
    if not isinstance(carry.state, ReflectedState):
        raise ValueError(f"only a Reflected rule leans in a coordinate system of its own, got {type(rule).__name__}")
    signs = ravel(carry.state.signs)
    noted: list[tuple[float, float, float]] = []
    found: dict[str, list[float]] = {"step": list(marks), "loss": [], "lean": [], "update": [], "weights": []}
    for done in range(0, marks[-1], PIECE):
        data = draw([problem], min(PIECE, marks[-1] - done), gen)
        for point in unroll.walk(phi, problem.loss, carry, data):
            update = ravel(point.params) - ravel(carry.params)
            noted.append((float(point.loss), float((signs * update).mean()), _rms(update)))
            carry = point
            if carry.step in marks:
                means = [sum(values) / LAST for values in zip(*noted[-LAST:], strict=True)]
                for key, value in zip(("loss", "lean", "update"), means, strict=True):
                    found[key].append(float(f"{value:.4g}"))
                found["weights"].append(float(f"{_rms(ravel(carry.params)):.4g}"))
    return found


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def measure(rule: Rule, task: Task, marks: list[int], offsets: tuple[float, ...] = OFFSETS) -> list[dict[str, Any]]:
    """`leaning` of the rule under every offset, on the same problem."""
    return [{"offset": offset, **leaning(shifted(rule, offset), task, marks)} for offset in offsets]


def main(names: list[str]) -> None:
    """Measure the shipped rules of the recipes named, and write their files."""
    torch.set_num_threads(1)
    for name in names:
        chosen = trial(name)
        marks = [t for t in (100, 200, 500, 1000) if t <= chosen.test_steps]
        rule = chosen.shipped or f"{name}-lstm"
        with kernel.enabled():
            found = measure(load_pretrained(rule), chosen.task("test", "cpu"), marks)
        path = Path("results") / name / "readout_bias.json"
        write_json(path, {"command": f"python -m l2l_core.readout_bias {name}", "rule": rule, "offsets": found})
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
