"""Gradient descent, plain and with momentum, as rules."""

import torch
from torch import Tensor, nn

from l2l_core.rule import Rule
from l2l_core.tree import Params, map_tree
from l2l_core.types import Signal


def learning_rate(lr: float) -> nn.Parameter:
    """A learning rate is a weight like any other: φ of a hand-designed rule, open to meta-training."""
    if not lr > 0:
        raise ValueError(f"a learning rate must be positive, got {lr}")
    return nn.Parameter(torch.tensor(lr, dtype=torch.float64))


def scaled(lr: Tensor, direction: Tensor) -> Tensor:
    """−α · direction in the direction's own precision, which single numbers would lose to the learning rate's."""
    return -lr.to(direction.dtype) * direction


class SGD(Rule):
    """g_t = −α ∇_t."""

    def __init__(self, lr: float):
        super().__init__()
        self.lr = learning_rate(lr)

    def init(self, params: Params) -> tuple[()]:
        """Nothing to remember."""
        return ()

    def update(self, signal: Signal, state: tuple[()], params: Params) -> tuple[Params, tuple[()]]:
        """−α ∇_t."""
        return map_tree(lambda g: scaled(self.lr, g), signal.grad), state


class Momentum(Rule):
    """Heavy ball: v_{t+1} = μ v_t + ∇_t, g_t = −α v_{t+1}. Source: Polyak 1964."""

    def __init__(self, lr: float, momentum: float = 0.9):
        super().__init__()
        self.lr, self.momentum = learning_rate(lr), momentum

    def extra_repr(self) -> str:
        """What its weight does not show."""
        return f"momentum={self.momentum}"

    def init(self, params: Params) -> Params:
        """Zero velocity."""
        return map_tree(torch.zeros_like, params)

    def velocity(self, signal: Signal, state: Params) -> Params:
        """μ v_t + ∇_t."""
        return map_tree(lambda v, g: self.momentum * v + g, state, signal.grad)

    def update(self, signal: Signal, state: Params, params: Params) -> tuple[Params, Params]:
        """−α v_{t+1}."""
        velocity = self.velocity(signal, state)
        return map_tree(lambda v: scaled(self.lr, v), velocity), velocity


class NAG(Momentum):
    """Nesterov's accelerated gradient: v_{t+1} = μ v_t + ∇_t, g_t = −α (∇_t + μ v_{t+1}).

    θ_t is the look-ahead point, where Torch7's `optim.nag` (the paper's baseline) evaluates too: both visit the
    same points and report the same losses.
    """

    def update(self, signal: Signal, state: Params, params: Params) -> tuple[Params, Params]:
        """−α (∇_t + μ v_{t+1})."""
        velocity = self.velocity(signal, state)

        def step(g: Tensor, v: Tensor) -> Tensor:
            return scaled(self.lr, g + self.momentum * v)

        return map_tree(step, signal.grad, velocity), velocity
