"""What a trained coordinatewise rule does with a gradient: replayed on the gradients of a real run.

Coordinates do not meet in such a rule, so what it would have done with other gradients is exact: the recorded ones
are changed for a coordinate and replayed. A rule trained in reflection is looked at in its own mirrored coordinates,
where it is the plain rule.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from l2l_core import kernel
from l2l_core.evaluation import generator
from l2l_core.metagrad import draw
from l2l_core.recipes import Recipe, recipe
from l2l_core.results import Results, obtain
from l2l_core.rule import Rule
from l2l_core.rules import RULES, Reflected
from l2l_core.rules.lstm import CoordinatewiseLSTM, LSTMState
from l2l_core.store import write_json
from l2l_core.tree import map_tree, ravel, stack
from l2l_core.types import Signal, Task
from l2l_core.unroll import Unroll
from l2l_core.zoo import card, load_pretrained, pretrained


class Run(NamedTuple):
    """One run as the rule saw it: gradients `[t, n]`, and the losses `[t]` at the same points."""

    grads: Tensor
    losses: Tensor


def record(rule: Rule, task: Task, steps: int, *, seed: object = 0) -> Run:
    """Let `rule` train one problem of `task`, and keep the gradient that it was shown at every step."""
    gen, phi = generator("behaviour", seed), dict(rule.named_parameters())
    problem = task.sample(gen)
    unroll = Unroll(rule, steps)
    with torch.no_grad():
        first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
        carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
        points = [carry, *unroll.walk(phi, problem.loss, carry, draw([problem], steps - 1, gen))]
    grads = [map_tree(torch.mul, p.state.signs, p.grad) if isinstance(rule, Reflected) else p.grad for p in points]
    return Run(torch.stack([ravel(g) for g in grads]), torch.cat([p.loss for p in points]))


def plain(rule: Rule) -> CoordinatewiseLSTM:
    """The LSTM within a wrapper. Raises ValueError for a rule that is none."""
    inner = rule.rule if isinstance(rule, Reflected) else rule
    if not isinstance(inner, CoordinatewiseLSTM):
        raise ValueError(f"only a coordinatewise LSTM is replayed coordinate by coordinate, got {type(inner).__name__}")
    return inner


@torch.no_grad()
def replay(rule: Rule, grads: Tensor, state: Any = None, start: int = 0) -> tuple[Tensor, list[Any]]:
    """Updates `[t, n]` that a rule proposes for a given sequence of gradients `[t, n]`, wherever it would have led.

    Also returns the t+1 memories: before each step and after the last. `state` is the memory to begin with (default:
    the rule's own start), `start` the number of steps taken before.
    """
    state = rule.init({"x": grads[0]}) if state is None else state
    updates, states = [], [state]
    for t, g in enumerate(grads, start):
        update, state = rule.update(Signal({"x": g}, None, t, None), state, {"x": torch.zeros_like(g)})
        updates.append(update["x"])
        states.append(state)
    return torch.stack(updates), states


@torch.no_grad()
def response(rule: Rule, state: Any, values: Tensor, step: int) -> Tensor:
    """The update proposed for each gradient of `values` `[k, n]`, from one and the same memory: `[k, n]`."""
    return torch.cat([replay(rule, g.unsqueeze(0), state, step)[0] for g in values])


def steplike(rule: Rule, states: list[Any], grads: Tensor, at: list[int], small: float = 0.1) -> Tensor:
    r"""How much of the update's swing between gradients −s and s is there already between −s/10 and s/10.

    $\frac{u(\text{small}\,s) - u(-\text{small}\,s)}{u(s) - u(-s)}$ with s the root mean square of a coordinate's own
    gradients: 0.1 for an update linear in the gradient, 1 for a step. `[k, n]` for k steps `at`;
    NaN where the update has no swing at all, as for gradients that are zero in the rule's precision.
    """
    s = grads.square().mean(0).sqrt()
    values = torch.stack([-s, -small * s, small * s, s])
    found = []
    for t in at:
        low, inner_low, inner_high, high = response(rule, states[t], values, t)
        found.append((inner_high - inner_low) / (high - low))
    return torch.stack(found)


def persistence(updates: Tensor) -> float:
    """Correlation of an update with the next of the same coordinate, about zero, over all of `[t, n]`."""
    return float((updates[1:] * updates[:-1]).sum() / updates[1:].norm() / updates[:-1].norm())


def active(grads: Tensor) -> Tensor:
    """Which coordinates ever had a gradient, `[n]`: those of pixels that are always black have none."""
    return grads.ne(0).any(0)


def sample(grads: Tensor, most: int = 2000) -> Tensor:
    """The gradients of at most so many active coordinates, evenly spread over all of them: `[t, n]` to `[t, m]`.

    Raises ValueError if no coordinate ever had a gradient.
    """
    on = active(grads).nonzero().squeeze(1)
    if not len(on):
        raise ValueError("no coordinate of this run ever had a gradient")
    return grads[:, on[:: -(-len(on) // most)]]


CLASSICS = ("gradient", "momentum", "sign", "rmsprop", "adam")
"""What a learned update is compared with, each as the direction in which it would go with a learning rate of one."""


def classics(grads: Tensor) -> dict[str, Tensor]:
    """The classic directions `[t, n]` along one sequence of gradients `[t, n]`."""
    rules = {
        "gradient": RULES["sgd"],
        "momentum": RULES["momentum"],
        "rmsprop": RULES["rmsprop"],
        "adam": RULES["adam"],
    }
    found = {name: replay(make(1.0), grads)[0] for name, make in rules.items()}
    return {name: -grads.sign() if name == "sign" else found[name] for name in CLASSICS}


def explained(updates: Tensor, features: list[Tensor]) -> float:
    """R² of the least-squares fit of `updates` by multiples of the features, without an intercept (all `[t, n]`)."""
    columns = torch.stack([f.flatten() for f in features], 1).double()
    columns = columns / columns.norm(dim=0).clamp_min(1e-300)
    target = updates.flatten().double()
    fitted = columns @ torch.linalg.lstsq(columns, target.unsqueeze(1)).solution.squeeze(1)
    return float(1 - (target - fitted).square().sum() / target.square().sum())


@torch.no_grad()
def forget_gates(rule: CoordinatewiseLSTM, grads: Tensor, states: list[LSTMState]) -> list[Tensor]:
    """The forget gates of every layer along a replay, `[t, n, h]` each."""
    gates: list[list[Tensor]] = [[] for _ in rule.cells]
    for g, before, after in zip(grads, states[:-1], states[1:], strict=True):
        x = rule.features(g)
        for layer, cell in enumerate(rule.cells):
            whole = x @ cell.weight_ih.T + before.h[layer] @ cell.weight_hh.T + cell.bias
            gates[layer].append(whole.chunk(4, -1)[1].sigmoid())
            x = after.h[layer]
    return [torch.stack(layer) for layer in gates]


def traits(rule: Rule, run: Run, adam_lr: float) -> dict[str, float]:
    """What claim V1 asks of a `sample` of a run's coordinates; what it means was fixed before it was measured.

    `step`: the median of `steplike` over coordinates with any swing, at every tenth step from 10 on.
    `size`: the root mean square of its updates over that of tuned Adam's along the same gradients.
    `persistence`: its `persistence` minus Adam's.
    """
    grads = sample(run.grads)
    updates, states = replay(plain(rule), grads)
    adam, _ = replay(RULES["adam"](adam_lr), grads)
    at = list(range(10, len(grads), 10)) or [len(grads) - 1]
    return {
        "step": float(steplike(plain(rule), states, grads, at).nanmedian()),
        "size": float(updates.square().mean().sqrt() / adam.square().mean().sqrt()),
        "persistence": persistence(updates) - persistence(adam),
    }


def measure(chosen: Recipe, results: Results, adam_lr: float, runs: int) -> dict[str, Any]:
    """`traits` of every meta-seed in the order of the results, each the mean over `runs` runs on test problems."""
    names = {card(name)["seed"]: name for name in pretrained() if card(name)["recipe"] == chosen.name}
    task, seeds = chosen.task("test", "cpu"), []
    for entry in results.metrics["seeds"]:
        rule = load_pretrained(names[entry["seed"]])
        found = [traits(rule, record(rule, task, chosen.horizon, seed=("traits", k)), adam_lr) for k in range(runs)]
        mean = {name: sum(one[name] for one in found) / runs for name in found[0]}
        short = {name: float(f"{value:.4g}") for name, value in mean.items()}
        seeds.append({"seed": entry["seed"], "validation": entry["validation"], **short})
    return {"recipe": chosen.name, "runs": runs, "adam_lr": adam_lr, "seeds": seeds}


def main(names: list[str]) -> None:
    """Measure the shipped rules of the recipes named and write `results/RECIPE/behaviour.json`."""
    torch.set_num_threads(1)
    for name in names or ["mnist"]:
        chosen = recipe(name)
        results = obtain(chosen, "book")
        with kernel.enabled():
            found = measure(chosen, results, results.metrics["baselines"]["adam"]["lr"], runs=4)
        path = Path("results") / chosen.name / "behaviour.json"
        write_json(path, {"command": f"python -m l2l_core.behaviour {name}", **found})
        for seed in found["seeds"]:
            print(name, seed)


if __name__ == "__main__":
    main(sys.argv[1:])
