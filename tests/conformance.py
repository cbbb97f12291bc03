"""Every rule and two small tasks in float64, and the invariants that any new entry of `RULES` must have."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import l2l_core
from l2l_core import RECIPES, RULES, LogSign, Rule, Task, from_module
from l2l_core.metagrad import draw
from l2l_core.rules import (
    HAND_DESIGNED,
    SGD,
    Adam,
    CoordinatewiseLSTM,
    Forgetful,
    Grouped,
    Odd,
    Reflected,
    Scheduled,
    Without,
    cosine,
)
from l2l_core.tasks import Quadratic
from l2l_core.tree import Params, leaves, map_tree, stack
from l2l_core.types import Optimizee
from l2l_core.unroll import Carry, Oracle, Unroll, first_order

HORIZON = 6


def small_lstm(**settings) -> CoordinatewiseLSTM:
    """A learned rule whose updates are neither tiny nor enormous."""
    return CoordinatewiseLSTM(hidden=3, scale=0.3, **settings)


def by_rank(name: str, shape: torch.Size) -> str:
    """Matrices in one group, everything else in the other."""
    return "matrices" if len(shape) == 2 else "others"


def _named(name: str) -> Callable[[], Rule]:
    return lambda: RULES[name](0.05) if name in HAND_DESIGNED else RULES[name](hidden=3, scale=0.3)


_MAKERS: dict[str, Callable[[], Rule]] = {name: _named(name) for name in RULES} | {
    # what wrappers add to the table: wrapped in one another, around rules with and without a pullback of their own
    "scheduled lstm": lambda: Scheduled(small_lstm(features=LogSign()), cosine),
    "lstm without a bias": lambda: Without(small_lstm(features=LogSign()), "readout.bias"),
    "forgetful lstm": lambda: Forgetful(small_lstm(features=LogSign()), every=2),
    "reflected adam": lambda: Reflected(Adam(0.05), seed=3),
    "two lstms": lambda: Grouped({"matrices": small_lstm(features=LogSign()), "others": small_lstm()}, by_rank),
    "odd groups": lambda: Odd(
        Grouped({"matrices": Without(small_lstm(), "readout.bias"), "others": SGD(0.05)}, by_rank)
    ),
    "lstm and sgd": lambda: Grouped({"matrices": Reflected(small_lstm()), "others": SGD(0.05)}, by_rank),
    "reflected groups": lambda: Reflected(Grouped({"matrices": small_lstm(), "others": Adam(0.05)}, by_rank)),
}
EVERY_RULE = list(_MAKERS)


NO_NETWORK = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no perceptual network")
EVERY_RECIPE = [
    pytest.param(name, marks=NO_NETWORK) if recipe.family == "neural-art" else name for name, recipe in RECIPES.items()
]
"""Recipes by name; those that paint are skipped where there is no network to look at pictures with."""


def make(name: str) -> Rule:
    """The rule called `name` with the same float64 weights whenever it is asked for."""
    torch.manual_seed(1)
    return _MAKERS[name]().double()


class _Network(nn.Module):
    """Matrices, vectors, a number and nothing at all: every shape a parameter can have."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()
        self.gain = nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
        self.nothing = nn.Parameter(torch.zeros(0, 3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * self.two(torch.tanh(self.one(x))) + self.nothing.sum()


def network(dtype: torch.dtype = torch.float64) -> Task:
    """A small network on fixed random data, in minibatches of 5."""
    gen = torch.Generator().manual_seed(5)
    x = torch.randn(40, 3, generator=gen, dtype=dtype)
    y = torch.randn(40, 2, generator=gen, dtype=dtype)
    return from_module(lambda: _Network().to(dtype), nn.functional.mse_loss, x, y, batch_size=5)


TASKS: dict[str, Callable[[], Task]] = {
    "quadratic": lambda: Quadratic(4, dtype=torch.float64, start_std=0.5),
    "network": network,
}


def run_python(*words: object, **environment: str) -> subprocess.CompletedProcess:
    """A process of its own, on the package under test, with one thread."""
    package = str(Path(l2l_core.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, env=env, timeout=900)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def phi_of(rule: Rule) -> Params:
    return {name: w.detach() for name, w in rule.named_parameters()}


def problems_of(task: Task, b: int, seed: int = 0) -> list[Optimizee]:
    gen = seeded(seed)
    return [task.sample(gen) for _ in range(b)]


def begun(rule: Rule, task: Task, b: int, oracle: Oracle = first_order, steps: int = 3) -> tuple[Unroll, Carry, list]:
    """b optimizees `steps` updates after their start: every memory of the rule is warm."""
    unroll, gen, phi = Unroll(rule, 2 * HORIZON, oracle), seeded(2), phi_of(rule)
    problems = problems_of(task, b)
    first = map_tree(lambda d: d[:, 0], draw(problems, 1, gen))
    with torch.no_grad():
        carry = unroll.start(phi, problems[0].loss, stack([p.params for p in problems]), first)
        _, carry = unroll(phi, problems[0].loss, carry, draw(problems, steps, gen))
    return unroll, carry, problems


def assert_same(one, other, **tolerance) -> None:
    """Two trees of one structure with the same leaves; exactly, unless told otherwise."""
    a, b = leaves(one), leaves(other)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if isinstance(x, Tensor):
            torch.testing.assert_close(x, y, **(tolerance or {"rtol": 0, "atol": 0}))
        else:
            assert x == y
