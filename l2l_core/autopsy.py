"""Inside a trained rule on a run far longer than its horizon: `python -m l2l_core.autopsy`.

Writes what it finds to `results/mnist-10000-steps/autopsy.json`; a meta-seed takes two minutes.
"""

import sys
from functools import partial
from math import exp
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.behaviour import plain
from l2l_core.catalogue import trial
from l2l_core.evaluation import PIECE, evaluate, generator
from l2l_core.features import LogSign
from l2l_core.metagrad import draw
from l2l_core.rule import Rule
from l2l_core.rules import Forgetful, Scheduled
from l2l_core.rules.lstm import LSTMState
from l2l_core.rules.wrappers import ReflectedState
from l2l_core.store import write_json
from l2l_core.tree import Params, map_tree, ravel, stack
from l2l_core.types import Task
from l2l_core.unroll import Carry, Unroll
from l2l_core.zoo import load_pretrained, meta_seeds

LAST = 10
"""Steps over which what is noted at a mark is averaged."""
SATURATED = 3.0
"""A cell is saturated where |c| exceeds this: tanh c is then within half a percent of ±1."""


def marks(steps: int) -> list[int]:
    """Steps at which a run of so many is looked at: four a decade from `LAST` on, and the last."""
    if steps < 1:
        raise ValueError(f"there is nothing to look into: steps = {steps}")
    return sorted({mark for k in range(4, 40) if LAST <= (mark := round(10 ** (k / 4))) <= steps} | {steps})


@torch.no_grad()
def trace(rule: Rule, task: Task, steps: int, *, seed: object = 0) -> dict[str, list[float]]:
    """Let `rule` train one problem of `task` for `steps` and note, averaged over the `LAST` steps to each mark:

    `loss` f(θ_t); `gradient` and `update`, the root mean squares of ∇_t and g_t over coordinates; `still`, that of the
    update which the rule would propose from the same memory for a gradient of zero; `drift`, the mean of g_t over
    coordinates by its root mean square; `persistence`, the cosine of g_t and g_{t−1}; `small`, the share of gradients
    below e^{-p} in size, where `LogSign` passes to its linear branch; `saturated`, the share of cells beyond
    `SATURATED`; `weights`, the root mean square of θ_t over coordinates that have a gradient, and `idle` over those
    whose gradient is exactly zero (0 if there are none).

    Raises ValueError for a rule that is no coordinatewise LSTM on `LogSign`.
    """
    small = exp(-_features(rule).p)
    gen, phi = generator("autopsy", seed), dict(rule.named_parameters())
    problem, unroll = task.sample(gen), Unroll(rule, steps)
    first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
    carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
    wanted = {t for mark in marks(steps) for t in range(mark - LAST, mark)}
    noted, before = {}, torch.zeros(())
    for done in range(0, steps, PIECE):
        data = draw([problem], min(PIECE, steps - done), gen)
        for point in unroll.walk(phi, problem.loss, carry, data):
            update = ravel(point.params) - ravel(carry.params)
            if carry.step in wanted:
                noted[carry.step] = _note(unroll, phi, carry, update, small) | {"persistence": _cosine(update, before)}
            carry, before = point, update
    found: dict[str, list[float]] = {"step": marks(steps)}
    for mark in found["step"]:
        some = [noted[t] for t in range(max(mark - LAST, 0), mark)]
        for key in some[0]:
            found.setdefault(key, []).append(float(f"{sum(one[key] for one in some) / len(some):.4g}"))
    return found


def _note(unroll: Unroll, phi: Params, carry: Carry, update: Tensor, small: float) -> dict[str, float]:
    gradient, signal = ravel(carry.grad), unroll.signal(carry)
    none = signal._replace(grad=map_tree(torch.zeros_like, carry.grad))
    still = ravel(unroll.rule.update_many(phi, none, carry.state, carry.params)[0])
    cells = torch.cat([c.flatten() for c in _memory(carry.state).c])
    return {
        "loss": float(carry.loss),
        "gradient": _rms(gradient),
        "update": _rms(update),
        "still": _rms(still),
        "drift": _cosine(update, torch.ones_like(update)),
        "small": float((gradient.abs() < small).float().mean()),
        "saturated": float((cells.abs() > SATURATED).float().mean()),
        "weights": _rms(ravel(carry.params)[gradient != 0]),
        "idle": _rms(ravel(carry.params)[gradient == 0]),
    }


def _features(rule: Rule) -> LogSign:
    features = plain(rule).features
    if not isinstance(features, LogSign):
        raise ValueError(f"only rules that see the logarithm of a gradient are looked into, got {features}")
    return features


def _memory(state: Any) -> LSTMState:
    return state.inner if isinstance(state, ReflectedState) else state


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt()) if values.numel() else 0.0


def _cosine(one: Tensor, other: Tensor) -> float:
    size = float(one.norm() * other.norm())
    return float((one * other).sum()) / size if size else 0.0


def shrinking(step: int, horizon: int | None, trained: int = 100) -> float:
    """min(1, 100/(t+1)): steps as they are within the horizon that was trained, ever shorter beyond."""
    return min(1.0, trained / (step + 1))


ARMS = {
    "as it is": lambda rule: rule,
    "memory emptied every 100 steps": partial(Forgetful, every=100),
    "steps × 100/t": lambda rule: Scheduled(rule, shrinking),
}
"""What may be done to a trained rule beyond its horizon, without training it again."""


def treated(rule: Rule, task: Task, steps: int, problems: int, *, seed: object = 0) -> dict[str, list[float]]:
    """The mean loss over the `LAST` steps to each mark of a run under each of `ARMS`, on the same problems."""
    found: dict[str, list[float]] = {"step": marks(steps)}
    for label, make in ARMS.items():
        curves = evaluate(make(rule), task, problems, steps, seed=("autopsy", seed), coordinates=2**18)
        means = [curves[:, max(mark - LAST + 1, 0) : mark + 1].mean() for mark in found["step"]]
        found[label] = [float(f"{float(mean):.4g}") for mean in means]
    return found


def main(words: list[str]) -> None:
    """Look into the shipped rules of `mnist` and write the file; `STEPS ARM_STEPS` shorten it."""
    torch.set_num_threads(1)
    steps, arm_steps = map(int, words or ("10000", "3000"))
    one, seeds = trial("mnist-10000-steps"), []
    task = one.task("test", "cpu")
    with kernel.enabled():
        for name in meta_seeds(one.source):
            rule = load_pretrained(name)
            seeds.append({"rule": name, "trace": trace(rule, task, steps), "arms": treated(rule, task, arm_steps, 2)})
            print(name, {key: values[-1] for key, values in seeds[-1]["trace"].items()}, flush=True)
    path = Path("results") / one.name / "autopsy.json"
    command = " ".join(["python -m l2l_core.autopsy", *words])
    write_json(path, {"command": command, "recipe": one.name, "seeds": seeds})


if __name__ == "__main__":
    main(sys.argv[1:])
