"""RMSprop and Adam as rules."""

from typing import NamedTuple

import torch
from torch import Tensor

from l2l_core.rule import Rule
from l2l_core.rules.sgd import learning_rate, scaled
from l2l_core.tree import Params, map_tree
from l2l_core.types import Signal


class RMSprop(Rule):
    """s_{t+1} = α s_t + (1 − α) (∇_t)², g_t = −lr ∇_t / (√s_{t+1} + ε). Source: Hinton 2012; Torch7's α is .99."""

    def __init__(self, lr: float, alpha: float = 0.99, eps: float = 1e-8):
        super().__init__()
        self.lr, self.alpha, self.eps = learning_rate(lr), alpha, eps

    def extra_repr(self) -> str:
        """What its weight does not show."""
        return f"alpha={self.alpha}, eps={self.eps}"

    def init(self, params: Params) -> Params:
        """The running mean of squares starts at zero."""
        return map_tree(torch.zeros_like, params)

    def update(self, signal: Signal, state: Params, params: Params) -> tuple[Params, Params]:
        """The gradient over the root of its mean square."""
        square = map_tree(lambda s, g: self.alpha * s + (1 - self.alpha) * g * g, state, signal.grad)
        return map_tree(lambda g, s: scaled(self.lr, g) / (s.sqrt() + self.eps), signal.grad, square), square


class AdamState(NamedTuple):
    """Running means of the gradient and of its square, shaped as θ."""

    mean: Params
    square: Params


class Adam(Rule):
    """Bias-corrected running means: g_t = −lr m̂ / (√v̂ + ε). Source: Kingma and Ba 2015."""

    def __init__(self, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        super().__init__()
        self.lr, self.betas, self.eps = learning_rate(lr), betas, eps

    def extra_repr(self) -> str:
        """What its weight does not show."""
        return f"betas={self.betas}, eps={self.eps}"

    def init(self, params: Params) -> AdamState:
        """Both means start at zero."""
        zeros = map_tree(torch.zeros_like, params)
        return AdamState(zeros, zeros)

    def update(self, signal: Signal, state: AdamState, params: Params) -> tuple[Params, AdamState]:
        """The corrected mean over the root of the corrected mean square."""
        b1, b2 = self.betas
        mean = map_tree(lambda m, g: b1 * m + (1 - b1) * g, state.mean, signal.grad)
        square = map_tree(lambda v, g: b2 * v + (1 - b2) * g * g, state.square, signal.grad)
        c1, c2 = 1 - b1 ** (signal.step + 1), 1 - b2 ** (signal.step + 1)

        def step(m: Tensor, v: Tensor) -> Tensor:
            return scaled(self.lr, m / c1) / ((v / c2).sqrt() + self.eps)

        return map_tree(step, mean, square), AdamState(mean, square)
