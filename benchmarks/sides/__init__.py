"""Ways of doing the same work: one file each, with one class of the methods that `Side` names."""

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, Protocol

from benchmarks.problem import Arrays, Problem


class Window(NamedTuple):
    """What a window of meta-training found: losses `[b, window+1]`, and the meta-gradient of each group's φ."""

    losses: Arrays
    grad: dict[str, Arrays]


class Side(Protocol):
    """All work starts at θ_0 with empty memories; every method does `count` units of it and returns the last."""

    def __init__(self, problem: Problem): ...

    def train(self, count: int) -> Window:
        """Windows of meta-training, five an episode: losses, and first-order meta-gradients of Σ_{t≥1} f(θ_t)."""

    def evaluate(self, count: int) -> Arrays:
        """Whole evaluations: losses `[b, steps+1]`."""

    def step(self, count: int) -> Arrays:
        """Steps of an optimizer on tensors whose gradients are given: θ `[n]` after them."""


NEEDS = {"ours": "torch", "compiled": "torch", "ports": "torch", "jax": "jax", "adam": "torch"}
"""The sides, and the library that each is written in."""


def available(side: str) -> bool:
    """Whether what the side needs can be imported."""
    return find_spec(NEEDS[side]) is not None


def side(name: str) -> type[Side]:
    """The class of a side; importing it imports all that the side needs."""
    return import_module(f"benchmarks.sides.{name}").SIDE
