"""Surfaces over the plane, random ones to train on and known ones to look at."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, exp, log, pi, sin, tau

import torch
from torch import Tensor

from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task

KINDS = ("bowl", "funnel", "valley")
"""A third of all random surfaces are of each kind."""


@dataclass(frozen=True)
class Surface:
    r"""One surface with its minimum, 0, at `centre`.

    $$f(\theta) = s\,\frac{(1 + 2q)^p - 1}{2p}, \qquad q = \frac{1}{2}\Bigl(\frac{v_1^2}{\kappa} +
    \bigl(v_2 - a \sin 2 v_1\bigr)^2\Bigr), \qquad v = R(-\alpha)\,(\theta - m)$$

    with s = `scale`, κ = `condition`, α = `angle`, p = `wall`, a = `bend`, m = `centre`. A bowl has p = 1 and a = 0 and
    is quadratic with curvatures s and s/κ. p < 1 makes a funnel, whose walls grow less steep with height; a > 0 makes a
    valley that winds. There is one stationary point whatever they are: v ↦ (v₁, v₂ − a sin 2v₁) is invertible, and f
    grows with q.
    """

    scale: float = 1.0
    condition: float = 1.0
    angle: float = 0.0
    wall: float = 1.0
    bend: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """f at one point."""
        return height(torch.stack([x, y]), self.tensor(x.dtype))

    def tensor(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """What `height` needs, `[8]`: s, κ, cos α, sin α, p, a, m₁, m₂."""
        turned = cos(self.angle), sin(self.angle)
        return torch.tensor([self.scale, self.condition, *turned, self.wall, self.bend, *self.centre], dtype=dtype)


def height(theta: Tensor, surface: Tensor) -> Tensor:
    """f(θ) at θ `[2]` of the surface `[8]` that `Surface.tensor` gives."""
    scale, condition, c, s, wall, bend, *centre = surface.unbind()
    x, y = theta[0] - centre[0], theta[1] - centre[1]
    along, across = c * x + s * y, c * y - s * x
    q = (along.square() / condition + (across - bend * torch.sin(2 * along)).square()) / 2
    # expm1 and log1p: near the minimum (1 + 2q)^p − 1 would lose every digit
    return scale * torch.expm1(wall * torch.log1p(2 * q)) / (2 * wall)


@dataclass(frozen=True)
class Surfaces(Task):
    """Random surfaces of three kinds, each in the unit in which its start has the loss 1.

    κ is log-uniform on [1, `condition`], the angle uniform, funnels have p uniform on [1/4, 1], valleys a on [0, 1].
    The minimum is uniform on [−1, 1]². The start lies in any direction from it, at a distance that is log-uniform on
    `distance`: this and the unit make the gradient's scale random.
    """

    condition: float = 100.0
    distance: tuple[float, float] = (0.5, 4.0)
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a surface and a start; every minibatch is the whole surface."""
        u = torch.rand(8, generator=gen, dtype=torch.float64).tolist()
        kind = KINDS[int(len(KINDS) * u[0])]
        shape = {"wall": 1 - 0.75 * u[1]} if kind == "funnel" else {"bend": u[1]} if kind == "valley" else {}
        centre = 2 * u[4] - 1, 2 * u[5] - 1
        low, high = map(log, self.distance)
        away, towards = exp(low + (high - low) * u[6]), tau * u[7]
        start = torch.tensor([centre[0] + away * cos(towards), centre[1] + away * sin(towards)], dtype=torch.float64)
        surface = Surface(1.0, self.condition ** u[2], pi * u[3], centre=centre, **shape).tensor(torch.float64)
        surface[0] = 1 / height(start, surface)
        theta, surface = to((start.to(self.dtype), surface.to(self.dtype)), self.device)
        return Optimizee({"theta": theta}, self.loss, lambda steps, gen: surface.expand(steps, -1))

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(θ) for one problem."""
        return height(params["theta"], batch)


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    """(1 − x)² + 100 (y − x²)², minimum 0 at (1, 1). Source: Rosenbrock 1960."""
    return (1 - x).square() + 100 * (y - x.square()).square()


def beale(x: Tensor, y: Tensor) -> Tensor:
    """Σ_k (c_k − x + x yᵏ)² with c = 1.5, 2.25, 2.625; minimum 0 at (3, 1/2). Source: Beale 1958."""
    return sum((c - x + x * y**k).square() for k, c in enumerate((1.5, 2.25, 2.625), 1))


@dataclass(frozen=True)
class Landscape(Task):
    r"""One known function of the plane, from starts that are uniform in `window`, (low, high) of x and of y.

    Its gradient may carry noise, $\nabla f + \sigma z$ with z standard Gaussian and σ = `noise`, new at every step; the
    loss has none.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    window: tuple[tuple[float, float], tuple[float, float]]
    noise: float = 0.0
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a start; a minibatch is the noise z of its step."""
        low, high = torch.tensor(self.window, dtype=self.dtype).unbind(1)
        start = low + (high - low) * torch.rand(2, generator=gen, dtype=self.dtype)

        def batches(steps: int, gen: torch.Generator) -> Tensor:
            return torch.randn(steps, 2, generator=gen, dtype=self.dtype).to(self.device)

        return Optimizee({"theta": to(start, self.device)}, self.loss, batches)

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(θ), with a gradient that has been shaken."""
        theta = params["theta"]
        shaken = self.noise * (batch * (theta - theta.detach())).sum()
        return self.function(*theta) + shaken
