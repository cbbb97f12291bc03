"""What a coordinatewise rule sees of a gradient."""

from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor


def log_sign(gradient: Tensor, p: float = 10.0) -> Tensor:
    r"""Split a gradient into magnitude and sign.

    $$\nabla \mapsto \begin{cases}(\tfrac{1}{p}\log|\nabla|,\ \operatorname{sgn}\nabla) & |\nabla| \ge e^{-p}\\
    (-1,\ e^{p}\nabla) & \text{otherwise.}\end{cases}$$

    Both branches meet at |∇| = e^{-p}. An infinite gradient gives an infinite first feature, NaN gives NaN.

    Shapes: `[...]` to `[..., 2]`. Raises ValueError if p ≤ 0.
    Source: Andrychowicz et al. 2016, appendix A (p = 10 in every experiment).
    """
    if p <= 0:
        raise ValueError(f"log_sign needs p > 0, got p = {p}")
    # each feature's two branches are one, clamped where the other begins; clamped before the logarithm, whose
    # derivative at 0 would make 0 · inf = NaN
    magnitude = gradient.abs().clamp_min(exp(-p)).log() / p
    return torch.stack([magnitude, (gradient * exp(p)).clamp(-1, 1)], -1)


@dataclass(frozen=True)
class RawGradient:
    """The gradient itself, one feature. Source: Andrychowicz et al. 2016, §3.1 (quadratics)."""

    size = 1

    def __call__(self, gradient: Tensor) -> Tensor:
        """`[...]` to `[..., 1]`."""
        return gradient.unsqueeze(-1)


@dataclass(frozen=True)
class Multiplied:
    """The gradient times a constant, one feature. Source: Andrychowicz et al. 2016, appendix A (its alternative)."""

    factor: float
    size = 1

    def __call__(self, gradient: Tensor) -> Tensor:
        """`[...]` to `[..., 1]`."""
        return self.factor * gradient.unsqueeze(-1)


@dataclass(frozen=True)
class LogSign:
    """`log_sign` with its constant p. Source: Andrychowicz et al. 2016, appendix A."""

    p: float = 10.0
    size = 2

    def __call__(self, gradient: Tensor) -> Tensor:
        """`[...]` to `[..., 2]`."""
        return log_sign(gradient, self.p)
