"""The words the parts of the package use with one another."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor

from l2l_core.tree import Params

Batch = Any
"""What one evaluation of the loss needs besides θ: a tree of tensors (indices, a matrix, pictures)."""

Loss = Callable[[Params, Batch], Tensor]
"""A pure function f(θ, d) → scalar, written for one optimizee; `torch.vmap` makes it many."""


class Signal(NamedTuple):
    """All that an optimizee tells a rule at one point θ_t.

    `grad`: ∇f(θ_t, d_t), shaped as θ. `loss`: f(θ_t, d_t), or None where the caller has none.
    `step`: t, from 0. `horizon`: T, the number of updates planned, or None where nobody knows.
    """

    grad: Params
    loss: Tensor | None
    step: int
    horizon: int | None


class Optimizee(NamedTuple):
    """One problem: a start θ_0, a loss, and a stream of minibatches.

    `batches(t, gen)` draws the next t minibatches; their leaves carry a leading axis t. `weight` is what a unit of its
    loss counts in meta-training.
    """

    params: Params
    loss: Loss
    batches: Callable[[int, torch.Generator], Batch]
    weight: float = 1.0


class Task(ABC):
    """A distribution over problems that share one loss function; a test may go through a finite set of them.

    What differs between two problems of a task lies in θ_0 and in the minibatches, never in the loss, so
    that `vmap` can run any number of them at once.
    """

    @property
    def together(self) -> float:
        """The most problems that are worth running at once: any number, unless a task knows better."""
        return inf

    @abstractmethod
    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw one problem. All chance comes from `gen`."""

    def problem(self, k: int, gen: torch.Generator) -> Optimizee:
        """Problem number `k` of a test: one that is drawn, unless the task has a finite set to go round."""
        return self.sample(gen)
