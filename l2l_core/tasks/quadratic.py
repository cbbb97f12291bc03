"""Random quadratic functions (Andrychowicz et al. 2016, §3.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task


@dataclass(frozen=True)
class Quadratic(Task):
    r"""$f(\theta) = s\,\lVert W\theta - y\rVert_2^2$ with W `[n, n]` and y `[n]` standard Gaussian, new every time.

    The plain sum, `scale` s = 1, is what the recipe `quadratic` trains on; s = 1/n (the mean over residuals) puts
    curves on the paper's axis, which starts near 1. θ_0 is Gaussian with standard deviation `start_std`, which the
    paper does not give.
    """

    n: int = 10
    scale: float = 1.0
    start_std: float = 0.01
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw W, y and θ_0; every minibatch is the whole function (W, y)."""
        w = torch.randn(self.n, self.n, generator=gen, dtype=self.dtype)
        y = torch.randn(self.n, generator=gen, dtype=self.dtype)
        start = {"theta": self.start_std * torch.randn(self.n, generator=gen, dtype=self.dtype)}
        w, y, start = to((w, y, start), self.device)

        def batches(steps: int, gen: torch.Generator) -> tuple[Tensor, Tensor]:
            return w.expand(steps, -1, -1), y.expand(steps, -1)

        return Optimizee(start, self.loss, batches)

    def loss(self, params: Params, batch: tuple[Tensor, Tensor]) -> Tensor:
        """f(θ) for one problem."""
        w, y = batch
        return self.scale * (w @ params["theta"] - y).square().sum()
