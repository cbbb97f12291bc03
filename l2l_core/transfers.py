"""Trials of trained rules on networks that they were not trained on."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from l2l_core.ablations import ABLATIONS
from l2l_core.recipes import RECIPES, recipe
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.trials import Finished, Problems, Trial
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


def _network(split: str, device: str, **settings: Any) -> MNISTNetwork:
    return MNISTNetwork(split, device=device, **settings)


def _mnist(name: str, summary: str, tuning: int, test: int, network: dict[str, Any], **settings: Any) -> Transfer:
    """A trial of `mnist` on another `network`; `settings` are those of `Transfer`."""
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1),
        "paper": Problems(tuning_problems=tuning, test_problems=test),
    }
    common = {"family": "mnist", "horizon": 100, "average": 10, "scales": scales, "task": partial(_network, **network)}
    return Transfer(name=f"mnist-{name}", summary=summary, **common, **{"source": "mnist", **settings})


_RATES = {"sgd": 3.0, "nag": 1.0, "rmsprop": 0.01, "adam": 0.03, "adam-cosine": 0.05}
"""Where tuning starts: at the optimum of the network with 20 units, or close to it."""


def _printed(name: str, summary: str, **network: Any) -> Transfer:
    return _mnist(name, summary, 16, 16, network, test_steps=200, baselines=_RATES)


def _other(name: str, summary: str, **network: Any) -> Transfer:
    return _mnist(name, summary, 8, 16, network, test_steps=100, baselines=_RATES)


def _cell(depth: int, width: int) -> Transfer:
    rates, summary = {name: _RATES[name] for name in ("nag", "adam")}, f"{depth} × {width} sigmoid units (Fig. 6)"
    return _mnist(f"{depth}x{width}", summary, 8, 10, {"width": width, "depth": depth}, test_steps=100, baselines=rates)


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

VARIANTS: dict[str, Transfer] = {
    trial.name: trial
    for trial in (
        _other("tanh", "The same on 20 units with tanh", activation=torch.tanh),
        _other("4-layers", "The same on four hidden layers of 20 units", depth=4),
        _other("batch-32", "The same network, minibatches of 32 images", batch_size=32),
        _other("batch-512", "The same network, minibatches of 512 images", batch_size=512),
    )
}
"""Networks that differ from the one of `mnist` in one thing each and are not in the paper."""

PRINTED_RELU = _mnist(
    "as-printed-relu",
    "The rules of `mnist-as-printed` on 20 rectified units",
    0,
    16,
    {"activation": torch.relu},
    source="mnist-as-printed",
    test_steps=200,
    baselines={},
)
"""The failing network of Fig. 5 once more, with rules that were trained in another way."""

LARGER_START = _other(
    "2-layers-std-0.1", "Two hidden layers whose weights start ten times as large", depth=2, start_std=0.1
)
"""The paper does not say how weights start; two layers mind."""

GRID: dict[tuple[int, int], Transfer] = {(depth, width): _cell(depth, width) for depth in DEPTHS for width in WIDTHS}
"""The paper's Fig. 6 by depth and width."""

_SINGLE = {trial.name: trial for trial in (PRINTED_RELU, LARGER_START, *GRID.values())}

TRIALS: dict[str, Trial] = {**RECIPES, **ABLATIONS, **NETWORKS, **VARIANTS, **_SINGLE}
"""Everything that can be tested, by name."""


def trial(name: str) -> Trial:
    """The trial called `name`; a recipe is one too. Raises ValueError, naming those there are, for an unknown one."""
    if name not in TRIALS:
        raise ValueError(f"unknown trial {name!r}; there are {', '.join(TRIALS)}")
    return TRIALS[name]
