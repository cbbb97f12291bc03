"""Truncated back-propagation through time: a stream of meta-gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from l2l_core.arithmetic import denormals_flushed
from l2l_core.distributed import joined
from l2l_core.tree import Params, detach, leaves, map_tree, stack, with_leaves
from l2l_core.types import Batch, Loss, Optimizee, Task
from l2l_core.unroll import Carry, Unroll, first_order


class Estimate(NamedTuple):
    """One meta-gradient, and the losses `[b, window+1]` of the points that it saw."""

    grad: Params
    losses: Tensor


class TBPTTState(NamedTuple):
    """Where an episode stands: its generator, that generator's state at its start, its problems, its carry.

    Between two episodes there are no problems and no carry, and a checkpoint is small.
    """

    gen: torch.Generator
    start: Tensor
    problems: list[Optimizee]
    carry: Carry | None


def draw(problems: list[Optimizee], steps: int, gen: torch.Generator) -> Batch:
    """The next minibatches of every problem: leaves `[b, t, ...]`."""
    return stack([p.batches(steps, gen) for p in problems])


@dataclass(frozen=True)
class tbptt:
    r"""Meta-gradients by truncated back-propagation through time.

    An episode of `horizon` updates on `b` fresh problems is cut into windows. Each window gives one estimate
    of $\partial_\varphi \frac1b\sum_b w_b\sum_{t=1}^{w} f_b(\theta_t)$, differentiated through its own `window` steps
    only, with the problems' weights w_b (1, unless a task says otherwise); values (θ, the rule's state) are carried to
    the next. The first point of a window is constant, so its loss is not counted; the last update is credited by the
    loss that follows it.
    Source: Andrychowicz et al. 2016, §2 (w_t = 1) and §3 (window 20).

    `stop` > 0 ends an episode after any of its windows with that chance, and at `horizon` at the latest: lengths are
    geometric, and the rule cannot know which step is the last.

    `shard` = (rank, ranks): every rank draws all problems and keeps its share of b/ranks, so that the mean of
    the ranks' estimates is the estimate of one process.

    `visited` < 1 lets the way back visit at most that share of the coordinates, chosen by `thin`: faster, unbiased,
    noisy. It needs `first_order`. Raises ValueError for settings that do not fit together.
    """

    unroll: Unroll
    task: Task
    b: int
    window: int
    shard: tuple[int, int] = (0, 1)
    visited: float = 1.0
    stop: float = 0.0

    def __post_init__(self) -> None:
        horizon, (rank, ranks) = self.unroll.horizon, self.shard
        if not 1 <= self.window <= horizon or horizon % self.window:
            raise ValueError(f"the horizon must be whole windows, got horizon {horizon} and window {self.window}")
        if self.b < 1 or self.b % ranks or not 0 <= rank < ranks:
            raise ValueError(f"b = {self.b} optimizees cannot be shared evenly by {ranks} processes (rank {rank})")
        if not 0 < self.visited <= 1 or (self.visited < 1 and self.unroll.oracle is not first_order):
            raise ValueError(f"visited is a share in (0, 1], below 1 for first_order only, got {self.visited}")
        if not 0 <= self.stop < 1:
            raise ValueError(f"stop is a chance in [0, 1), got {self.stop}")

    def init(self, gen: torch.Generator) -> TBPTTState:
        """The state between two episodes: nothing is drawn yet."""
        return TBPTTState(gen, gen.get_state(), [], None)

    def begin(self, phi: Params, state: TBPTTState) -> TBPTTState:
        """Begin an episode: b fresh problems, evaluated where they start."""
        gen = state.gen
        problems = [self.task.sample(gen) for _ in range(self.b)]
        data = self._share(draw(problems, 1, gen))
        params = self._share(stack([p.params for p in problems]))
        with torch.no_grad():
            first = map_tree(lambda d: d[:, 0], data)
            carry = self.unroll.start(phi, problems[0].loss, params, first)
        return state._replace(problems=problems, carry=detach(carry))

    def step(self, phi: Params, state: TBPTTState) -> tuple[Estimate, TBPTTState]:
        """One window; the first of an episode begins it, the last ends it."""
        if state.carry is None:
            state = self.begin(phi, state)
        data = self._share(draw(state.problems, self.window, state.gen))
        window = self.unroll, phi, state.problems[0].loss, state.carry, data
        weights = self._share(state.carry.loss.new_tensor([p.weight for p in state.problems]))
        if self.unroll.oracle is first_order:
            estimate, carry = graph_free_window(*window, partial(self._credit, weights, state.gen))
        else:
            estimate, carry = autograd_window(*window, weights)
        if carry.step == self.unroll.horizon or self._stops(state.gen):
            return estimate, self.init(state.gen)
        return estimate, state._replace(carry=carry)

    def pack(self, state: TBPTTState) -> dict[str, Tensor]:
        """The state of all b optimizees as named tensors, for a checkpoint; every process of a group must call it."""
        tensors = {"gen": state.gen.get_state(), "start": state.start}
        if state.carry is not None:
            *carried, step = leaves(state.carry)
            tensors |= {f"carry.{i}": joined(leaf) for i, leaf in enumerate(carried)} | {"step": torch.tensor(step)}
        return tensors

    def unpack(self, tensors: dict[str, Tensor], phi: Params) -> TBPTTState:
        """The inverse of `pack`: the problems are drawn again from where their episode began."""
        gen = torch.Generator()
        gen.set_state(tensors["start"])
        state = self.init(gen)
        if "step" not in tensors:
            return state
        state = self.begin(phi, state)
        gen.set_state(tensors["gen"])
        like = leaves(state.carry)[:-1]
        values = [self._share(tensors[f"carry.{i}"]).to(leaf.device) for i, leaf in enumerate(like)]
        return state._replace(carry=with_leaves(state.carry, [*values, int(tensors["step"])]))

    def _stops(self, gen: torch.Generator) -> bool:
        # a stream of episodes that never stop early is that of before there was a chance of it
        return self.stop > 0 and float(torch.rand((), generator=gen)) < self.stop

    def _credit(self, weights: Tensor, gen: torch.Generator, upstream: list[Params]) -> list[Params]:
        def weighted(u: Tensor) -> Tensor:
            return weights.view(-1, *[1] * (u.dim() - 1)) * u

        upstream = [map_tree(weighted, u) for u in upstream]
        return upstream if self.visited == 1 else self._thin(upstream, gen)

    def _thin(self, upstream: list[Params], gen: torch.Generator) -> list[Params]:
        # every process draws for all b optimizees, so that the generators of all stay in step
        chance = {k: torch.rand(self.b, *u.shape[1:], generator=gen).to(u.device) for k, u in upstream[0].items()}
        return thin(upstream, self.visited, self._share(chance))

    def _share(self, tree: Batch) -> Batch:
        """This process's optimizees of the b."""
        rank, ranks = self.shard
        each = self.b // ranks
        return map_tree(lambda leaf: leaf[rank * each : (rank + 1) * each], tree)


def autograd_window(
    unroll: Unroll, phi: Params, loss: Loss, carry: Carry, data: Batch, weights: Tensor | float = 1.0
) -> tuple[Estimate, Carry]:
    """A window differentiated by autograd through everything that its oracle leaves in the graph.

    `weights` `[b]` are those of the problems.
    """
    phi = {name: w.detach().requires_grad_() for name, w in phi.items()}
    losses, carry = unroll(phi, loss, carry, data)
    meta_loss = (weights * losses[:, 1:].sum(1)).mean()
    grads = torch.autograd.grad(meta_loss, list(phi.values()), allow_unused=True, materialize_grads=True)
    return Estimate(dict(zip(phi, grads, strict=True)), losses.detach()), detach(carry)


@denormals_flushed()
def graph_free_window(
    unroll: Unroll,
    phi: Params,
    loss: Loss,
    carry: Carry,
    data: Batch,
    credit: Callable[[list[Params]], list[Params]] = lambda upstream: upstream,
) -> tuple[Estimate, Carry]:
    r"""The same number under `first_order`, without a graph through the optimizee.

    θ_{r} is θ_0 plus the updates before it, and gradients are constants, so the loss at r reaches the update
    g_t (t < r) with ∇f(θ_r): $\partial L/\partial g_t = \frac1b\sum_{r>t} \nabla f(\theta_r)$, a suffix sum of
    gradients that the walk has computed anyway. What is left is a vector–Jacobian product of the rule alone.
    `credit` may replace these sums by others.
    """
    states, seen, grads, losses = [carry.state], [], [], [carry.loss]
    with torch.no_grad():
        for point in unroll.walk(phi, loss, carry, data):
            seen.append((unroll.signal(carry), carry.params))
            states.append(point.state)
            grads.append(point.grad)
            losses.append(point.loss)
            carry = point
        upstream = credit(suffix_sums(grads, 1 / len(carry.loss)))
    grad = unroll.rule.pullback(phi, seen, states, upstream)
    return Estimate(grad, torch.stack(losses, 1)), carry


def suffix_sums(grads: list[Params], weight: float) -> list[Params]:
    """`weight` times the sum of `grads[r]` over r ≥ t, for every t."""
    sums: list[Params] = []
    for grad in reversed(grads):
        scaled = map_tree(lambda g: weight * g, grad)
        sums.append(map_tree(torch.add, sums[-1], scaled) if sums else scaled)
    return sums[::-1]


def thin(upstream: list[Params], share: float, chance: Params) -> list[Params]:
    r"""The upstream gradients of some coordinates, weighted so that their expectation is that of all.

    Coordinate i is kept where its `chance`, uniform in [0, 1), is below $p_i = \min(1, c\,\lVert u_i\rVert)$, its norm
    being over the window's steps, and then weighted by $1/p_i$. c makes Σ p_i the `share` of all coordinates, or less
    where p_i = 1. A vector–Jacobian product is linear in its upstream, so the meta-gradient stays unbiased; rules that
    skip coordinates without upstream are faster by it.
    """
    size = {k: torch.stack([u[k] for u in upstream]).square().sum(0).sqrt() for k in upstream[0]}
    total, count = sum(s.sum() for s in size.values()), sum(s.numel() for s in size.values())
    keep = {k: (share * count / total.clamp_min(torch.finfo(s.dtype).tiny) * s).clamp_max(1) for k, s in size.items()}
    weight = {k: torch.where(chance[k] < p, 1 / p, 0) for k, p in keep.items()}
    return [{k: weight[k] * g for k, g in u.items()} for u in upstream]
