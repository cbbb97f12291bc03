"""A matrix of low rank, to be found as a product of two."""

from dataclasses import dataclass

import torch
from torch import Tensor

from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task


@dataclass(frozen=True)
class Factorisation(Task):
    r"""$f(U, V) = \frac{1}{mn}\lVert UV^\top - M\rVert_F^2$ with U `[m, r]`, V `[n, r]` and M of rank r.

    $M = AB^\top/\sqrt r$ with A and B standard Gaussian, new every time, so that entries have variance 1 and the
    minimum is 0. It is reached wherever the rotated factors meet; the start, Gaussian with standard deviation
    `start_std`, is near the saddle at zero.
    """

    m: int = 20
    n: int = 15
    rank: int = 3
    start_std: float = 0.1
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw M and a start; every minibatch is the whole matrix."""

        def factors() -> tuple[Tensor, Tensor]:
            a = torch.randn(self.m, self.rank, generator=gen, dtype=self.dtype)
            return a, torch.randn(self.n, self.rank, generator=gen, dtype=self.dtype)

        a, b = factors()
        u, v = factors()
        whole, start = to((a @ b.T / self.rank**0.5, {"u": self.start_std * u, "v": self.start_std * v}), self.device)
        return Optimizee(start, self.loss, lambda steps, gen: whole.expand(steps, -1, -1))

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(U, V) for one problem."""
        return (params["u"] @ params["v"].T - batch).square().mean()
