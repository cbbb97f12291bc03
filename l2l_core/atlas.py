"""The failure atlas: the rules of `mnist`, tested with one thing changed at a time; and what might cure them."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import inf, isclose, isnan
from typing import Any, NamedTuple

import torch

from l2l_core.cifar import grey_cifar10
from l2l_core.recipes import recipe
from l2l_core.tasks.wrappers import Noisy, Scaled
from l2l_core.transfers import NETWORKS, RATES, Transfer, network, on_mnist
from l2l_core.trials import Problems, Trial


def scaled(split: str, device: str, factor: float, **settings: Any) -> Scaled:
    """The network of `mnist`, or one that differs from it in `settings`, its loss multiplied by `factor`."""
    return Scaled(network(split, device, **settings), factor)


def noisy(split: str, device: str, std: float) -> Noisy:
    """The network of `mnist`, its gradients with noise of `std` times their root mean square."""
    return Noisy(network(split, device), std)


class Cell(NamedTuple):
    """One entry of the atlas: what `trial` says at `step`, under a heading and a label."""

    group: str
    label: str
    trial: Trial
    step: int = 100


CARRIED = {name: RATES[name] for name in ("sgd", "nag", "rmsprop", "adam")}
"""Rates tuned on the network of `mnist`; in the atlas hand-designed rules are tried with these too, as they stand."""


def _cell(group: str, label: str, name: str, summary: str, task: Any, tuning: int = 8, **settings: Any) -> Cell:
    common = {"baselines": RATES, "carried": CARRIED}
    return Cell(group, label, on_mnist(name, summary, task, tuning, 10, **{**common, **settings}))


def _longer(steps: int, tuning: int, test: int, names: tuple[str, ...]) -> Cell:
    rates, summary = {name: RATES[name] for name in names}, f"The network of `mnist` for {steps:,} steps"
    name, settings = f"{steps}-steps", {"test_steps": steps, "baselines": rates}
    return Cell("horizon", f"{steps:,} steps", on_mnist(name, summary, network, tuning, test, **settings), steps)


def _start(std: float) -> Cell:
    label, summary = f"std {std:g}", f"Weights that start with a standard deviation of {std:g} instead of 0.01"
    return _cell("start", label, f"std-{std:g}", summary, partial(network, start_std=std))


def _batch(size: int) -> Cell:
    label, summary = f"{size} images", f"Minibatches of {size} images instead of 128"
    return _cell("minibatch", label, f"batch-{size}", summary, partial(network, batch_size=size))


def _noise(std: float) -> Cell:
    label, summary = f"noise × {std:g}", f"Gradients with noise of {std:g} times their root mean square"
    return _cell("noise", label, f"noise-{std:g}", summary, partial(noisy, std=std))


def _units(factor: float) -> Cell:
    label, summary = f"loss × {factor:g}", f"The loss multiplied by {factor:g}"
    # the best rate of a rule that is linear in the gradient is in inverse proportion to the unit
    rates = {name: rate / factor if name in ("sgd", "nag") else rate for name, rate in RATES.items()}
    task, settings = partial(scaled, factor=factor), {"baselines": rates, "unit": 1 / factor}
    return _cell("unit", label, f"loss-x{factor:g}", summary, task, **settings)


_FEWER = ("nag", "adam", "adam-cosine")

CELLS: tuple[Cell, ...] = (
    Cell("horizon", "100 steps, as trained", recipe("mnist")),
    Cell("horizon", "200 steps", recipe("mnist"), 200),
    _longer(1000, 4, 10, tuple(RATES)),
    _longer(10000, 2, 5, _FEWER),
    _start(0.001),
    _start(0.1),
    _start(1.0),
    _batch(8),
    _batch(32),
    _batch(512),
    _noise(0.1),
    _noise(1.0),
    _noise(10.0),
    _units(0.01),
    _units(0.1),
    _units(10.0),
    _units(100.0),
    Cell("network", "40 units", NETWORKS["mnist-40-units"]),
    _cell("network", "200 units", "200-units", "200 hidden units instead of 20", partial(network, width=200), 4),
    Cell("network", "2 layers", NETWORKS["mnist-2-layers"]),
    _cell("network", "4 layers", "4-layers", "Four hidden layers of 20 units", partial(network, depth=4)),
    _cell("network", "tanh", "tanh", "20 units with tanh", partial(network, activation=torch.tanh)),
    Cell("network", "ReLU", NETWORKS["mnist-relu"]),
    _cell("data", "photographs", "cifar", "Grey 28×28 photographs of CIFAR-10", partial(network, images=grey_cifar10)),
)
"""The whole atlas, heading by heading; what other chapters have tested is not tested again."""

ATLAS: dict[str, Transfer] = {
    cell.trial.name: cell.trial
    for cell in CELLS
    if isinstance(cell.trial, Transfer) and cell.trial.name not in NETWORKS
}
"""Its own trials by name."""


CURES = ("cure-none", "cure-units", "cure-horizon")
"""The recipes that are compared on the smaller network: nothing against the failures, and two cures."""
FACTORS = (0.01, 0.1, 10.0, 100.0)
"""Units of the loss in which they are tried."""


def _cured(source: str, label: str, factor: float = 1.0, **settings: Any) -> Transfer:
    task = partial(scaled, factor=factor, pool=2)
    base = on_mnist(label, f"The rules of `{source}`, the loss multiplied by {factor:g}", task, 2, 10, baselines={})
    own = {"name": f"{source}-{label}", "source": source, "family": "cure", "unit": 1 / factor}
    return replace(base, **{**own, **settings})


def _cured_longer(source: str) -> Transfer:
    smoke, paper = Problems(tuning_problems=0, test_problems=1), Problems(tuning_problems=2, test_problems=5)
    rates = {"nag": RATES["nag"], "adam": RATES["adam"]} if source == "cure-none" else {}
    settings = {"summary": f"The rules of `{source}` for 10,000 steps", "test_steps": 10000, "baselines": rates}
    return _cured(source, "10000-steps", scales={"smoke": smoke, "paper": paper}, **settings)


CURED: dict[str, Transfer] = {
    trial.name: trial
    for source in CURES
    for trial in (*(_cured(source, f"x{c:g}", c) for c in FACTORS), _cured_longer(source))
}
"""The cures' trials by name."""


class Standing(NamedTuple):
    """How a cell came out: a loss and its ratio to the rival's for every meta-seed, infinite where runs diverged.

    `rival` is the hand-designed rule with the best validation score of those tuned on the cell for its horizon, and
    `carried` the ratio to it of those that kept the rates of `mnist`. `diverged` counts test runs of each meta-seed.
    """

    losses: list[float]
    ratios: list[float]
    diverged: list[int]
    rival: str
    carried: dict[str, float]


def standing(metrics: dict[str, Any], step: int) -> Standing:
    """Read a cell's outcome from the metrics of its trial. Raises ValueError where no rival was tuned for `step`."""
    baselines = metrics["baselines"]
    tuned = {name: entry["validation"] for name, entry in baselines.items() if entry.get("horizon") == step}
    if not tuned:
        raise ValueError(f"{metrics['recipe']!r} has no baseline that was tuned for {step} steps")
    rival = min(tuned, key=tuned.__getitem__)
    bar = _loss(baselines[rival], step)
    losses = [_loss(seed, step) for seed in metrics["seeds"]]
    carried = {name: _loss(entry, step) / bar for name in CARRIED if (entry := _carried(baselines, name))}
    # before diverged runs were counted, no result had any: its means are finite
    diverged = [seed.get("diverged", 0) for seed in metrics["seeds"]]
    return Standing(losses, [loss / bar for loss in losses], diverged, rival, carried)


def _carried(baselines: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A rule at the rate of `mnist`: run as such, or where tuning has come to the same rate."""
    for key, entry in baselines.items():
        if key == f"{name} carried over":
            return entry
        if key.partition("@")[0] == name and isclose(entry["lr"], CARRIED[name], rel_tol=1e-6):
            return entry
    return None


def _loss(entry: dict[str, Any], step: int) -> float:
    mean = entry["at"][str(step)]["mean"]
    return inf if isnan(mean) else mean


def coordinates(width: int = 20, depth: int = 1, pool: int = 1, **_: Any) -> int:
    """How many weights a network of `mnist` with these settings has: 15,910 without any."""
    widths = [784 // pool**2, *[width] * depth, 10]
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))


def planned(trial: Transfer, rules: int) -> float:
    """Minutes that a trial of so many learned rules should take on one core, by what was measured on `mnist`.

    A step of the learned rule takes 4.5 ms with the kernel, of a hand-designed one 1 ms, each in proportion to the
    number of coordinates; tuning tries six rates.
    """
    budget, settings = trial.budget("paper"), getattr(trial.task, "keywords", {})
    horizons = {trial.horizon, trial.test_steps}
    tuning = 6 * len(trial.baselines) * budget.tuning_problems * sum(horizons)
    hand_designed = len(trial.baselines) * len(horizons) + len(trial.carried)
    test = (4.5 * rules + hand_designed) * budget.test_problems * trial.test_steps
    return coordinates(**settings) / coordinates() * (tuning + test) / 6e4
