"""Tasks made of tasks: the loss in other units, and gradients with noise."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from l2l_core.tree import Params, map_tree
from l2l_core.types import Batch, Loss, Optimizee, Task


class Wrapper(Task):
    """A task made of `task`; it runs on the same data."""

    task: Task

    @property
    def source(self) -> str:
        """Where the inner task's data come from."""
        return getattr(self.task, "source", "generated")

    @property
    def together(self) -> float:
        """As many as of the inner task."""
        return self.task.together

    @abstractmethod
    def wrapped(self, inner: Optimizee, gen: torch.Generator) -> Optimizee:
        """What becomes of a problem of the inner task; `gen` has drawn that before."""

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a problem of the inner task, and wrap it."""
        return self.wrapped(self.task.sample(gen), gen)

    def problem(self, k: int, gen: torch.Generator) -> Optimizee:
        """Wrap problem number `k` of the inner task."""
        return self.wrapped(self.task.problem(k, gen), gen)


@dataclass(frozen=True)
class Scaled(Wrapper):
    r"""The task with the loss $cf$ instead of $f$, c = `factor`, so that its gradients are $c\nabla f$.

    The minimum and the way there are the same; all that changes is the unit in which the loss is measured. Starts and
    minibatches are those of `task`. Raises ValueError unless c > 0.
    """

    task: Task
    factor: float

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ValueError(f"a unit is positive, got factor = {self.factor}")

    def wrapped(self, inner: Optimizee, gen: torch.Generator) -> Optimizee:
        """The inner problem with another loss."""
        return inner._replace(loss=lambda params, batch: self.factor * inner.loss(params, batch))


@dataclass(frozen=True)
class RandomlyScaled(Wrapper):
    r"""The task in a unit of its own for every problem: $c f$ with $\log c$ uniform on [log `low`, log `high`].

    The rule is shown $c\nabla f$; in meta-training the problem counts with the weight 1/c, as f itself, for otherwise
    the largest units would drown the rest. Raises ValueError unless 0 < `low` ≤ `high`.
    """

    task: Task
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise ValueError(f"units are positive and in order, got {self.low} … {self.high}")

    def wrapped(self, inner: Optimizee, gen: torch.Generator) -> Optimizee:
        """The inner problem in a unit that `gen` draws; it is the same at every minibatch."""
        share = float(torch.rand((), generator=gen, dtype=torch.float64))
        factor = self.low * (self.high / self.low) ** share
        like = next(iter(inner.params.values()))

        # all problems of a task share one loss, so that the unit travels with the minibatches
        def loss(params: Params, batch: tuple[Batch, Tensor]) -> Tensor:
            return batch[1] * inner.loss(params, batch[0])

        def batches(steps: int, gen: torch.Generator) -> tuple[Batch, Tensor]:
            return inner.batches(steps, gen), like.new_full((steps,), factor)

        return Optimizee(inner.params, loss, batches, weight=inner.weight / factor)


@dataclass(frozen=True)
class Noisy(Wrapper):
    r"""The task with noise in its gradient and none in its loss.

    At every step the gradient is $\nabla f + \sigma\,\mathrm{rms}(\nabla f)\,z$ with z standard Gaussian, one number a
    coordinate, and $\mathrm{rms}(\nabla f) = \lVert\nabla f\rVert/\sqrt n$: its mean is the gradient, its mean square
    $(1 + \sigma^2)\lVert\nabla f\rVert^2$, with σ = `std`. z belongs to the minibatch, so that all rules meet the
    same. Raises ValueError if σ < 0.
    """

    task: Task
    std: float

    def __post_init__(self) -> None:
        if not self.std >= 0:
            raise ValueError(f"a standard deviation is not negative, got {self.std}")

    def wrapped(self, inner: Optimizee, gen: torch.Generator) -> Optimizee:
        """The inner problem; its minibatches come with z, shaped as θ."""

        def batches(steps: int, gen: torch.Generator) -> tuple[Batch, Params]:
            def noise(p: Tensor) -> Tensor:
                return torch.randn(steps, *p.shape, generator=gen, dtype=p.dtype).to(p.device)

            return inner.batches(steps, gen), map_tree(noise, inner.params)

        return inner._replace(loss=_with_noise(inner.loss, self.std), batches=batches)


def _with_noise(loss: Loss, std: float) -> Loss:
    def noisy(params: Params, batch: tuple[Batch, Params]) -> Tensor:
        inner, noise = batch
        shaken = _Shaken.apply(std, *params.values(), *(noise[name] for name in params))
        return loss(dict(zip(params, shaken, strict=True)), inner)

    return noisy


class _Shaken(torch.autograd.Function):
    """The identity in k tensors, given k tensors of noise for the way back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(std: float, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(t.clone() for t in tensors[: len(tensors) // 2])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.std = inputs[0]
        ctx.save_for_backward(*inputs[1 + len(output) :])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        square = sum(g.square().sum() for g in grads)
        rms = (square / sum(g.numel() for g in grads)).sqrt()
        shaken = [g + ctx.std * rms * z for g, z in zip(grads, ctx.saved_tensors, strict=True)]
        return None, *shaken, *([None] * len(grads))
