"""Trials of trained rules on networks that they were not trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from l2l_core.recipes import recipe
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.trials import Finished, Problems, Trial
from l2l_core.types import Task
from l2l_core.zoo import card, load_pretrained, meta_seeds


@dataclass(frozen=True, kw_only=True)
class Transfer(Trial):
    """A test, on another task, of the meta-seeds of the recipe `source` that came with the package."""

    source: str

    def seeds(self, scale: str) -> int:
        """As many as the source trains."""
        return recipe(self.source).seeds(scale)

    def finished(self, scale: str, out: Path) -> list[Finished]:
        """The source's meta-seeds in the zoo; `out` holds none."""
        names = [name for name in meta_seeds(self.source) if card(name)["seed"] < self.seeds(scale)]
        if not names:
            raise FileNotFoundError(f"there is no trained rule of {self.source!r} in the package")
        known = ("recipe", "seed", "validation", "sha256")
        return [(load_pretrained(name), {key: card(name)[key] for key in known}) for name in names]


def network(split: str, device: str, **settings: Any) -> MNISTNetwork:
    """The network of `mnist`, or one that differs from it in `settings`."""
    return MNISTNetwork(split, device=device, **settings)


def on_mnist(
    name: str, summary: str, task: Callable[[str, str], Task], tuning: int, test: int, **settings: Any
) -> Transfer:
    """A trial of `mnist` on another `task`; `settings` are those of `Transfer`."""
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1),
        "paper": Problems(tuning_problems=tuning, test_problems=test),
    }
    common = {"source": "mnist", "family": "mnist", "horizon": 100, "test_steps": 100, "average": 10}
    return Transfer(name=f"mnist-{name}", summary=summary, task=task, scales=scales, **{**common, **settings})


RATES = {"sgd": 3.0, "nag": 1.0, "rmsprop": 0.01, "adam": 0.03, "adam-cosine": 0.05}
"""Where tuning starts: at the optimum of the network with 20 units, or close to it."""


def _printed(name: str, summary: str, **settings: Any) -> Transfer:
    return on_mnist(name, summary, partial(network, **settings), 16, 100, test_steps=200, baselines=RATES)


def _cell(depth: int, width: int) -> Transfer:
    rates, summary = {name: RATES[name] for name in ("nag", "adam")}, f"{depth} × {width} sigmoid units (Fig. 6)"
    return on_mnist(f"{depth}x{width}", summary, partial(network, width=width, depth=depth), 8, 100, baselines=rates)


WIDTHS = tuple(range(5, 51, 5))
DEPTHS = (1, 2)
"""The networks of the paper's Fig. 6."""

NETWORKS: dict[str, Transfer] = {
    trial.name: trial
    for trial in (
        _printed("40-units", "The rules of `mnist` on 40 hidden units (Fig. 5 left)", width=40),
        _printed("2-layers", "The same on two hidden layers of 20 units (Fig. 5 centre)", depth=2),
        _printed("relu", "The same on 20 rectified units (Fig. 5 right)", activation=torch.relu),
    )
}
"""The networks of the paper's Fig. 5."""

PRINTED_RELU = on_mnist(
    "as-printed-relu",
    "The rules of `mnist-as-printed` on 20 rectified units",
    partial(network, activation=torch.relu),
    0,
    100,
    source="mnist-as-printed",
    test_steps=200,
    baselines={},
)
"""The failing network of Fig. 5 once more, with rules that were trained in another way."""

LARGER_START = on_mnist(
    "2-layers-std-0.1",
    "Two hidden layers whose weights start ten times as large",
    partial(network, depth=2, start_std=0.1),
    8,
    100,
    baselines=RATES,
)
"""The paper does not say how weights start; two layers mind."""

GRID: dict[tuple[int, int], Transfer] = {(depth, width): _cell(depth, width) for depth in DEPTHS for width in WIDTHS}
"""The paper's Fig. 6 by depth and width."""
