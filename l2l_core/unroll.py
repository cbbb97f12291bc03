"""Inner steps: the optimizee's gradient, the rule's update, and what is carried from one to the next."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad_and_value

from l2l_core.rule import Rule, State
from l2l_core.tree import Params, detach, leaves, map_tree
from l2l_core.types import Batch, Loss, Signal

Oracle = Callable[[Loss, Params, Batch], tuple[Params, Tensor]]
"""How a gradient is obtained: (f, θ, d) → (∇f(θ, d), f(θ, d))."""


def second_order(loss: Loss, params: Params, batch: Batch) -> tuple[Params, Tensor]:
    """The gradient as the function of θ it is: meta-gradients flow through it (exact)."""
    return grad_and_value(loss)(params, batch)


def first_order(loss: Loss, params: Params, batch: Batch) -> tuple[Params, Tensor]:
    """The gradient as a constant: ∂∇_t/∂φ = 0. Source: Andrychowicz et al. 2016, §2 (Fig. 2, dashed edges).

    The loss stays a function of θ, for it is what the meta-loss sums, wherever anyone records that.
    """
    grad, value = grad_and_value(loss)(detach(params), batch)
    return detach(grad), loss(params, batch) if torch.is_grad_enabled() else value


def gradients(loss: Loss, params: Params, batch: Batch) -> tuple[Params, Tensor]:
    """`first_order` for b optimizees where nobody records: leaves `[b, ...]`, values `[b]`.

    Optimizees share nothing, so the gradient of the sum of their losses holds the gradient of each. Raises ValueError
    for a loss that is not one number.
    """
    points = {name: p.detach().requires_grad_() for name, p in params.items()}
    with torch.enable_grad():
        if len(next(iter(points.values()))) == 1:
            values = loss(*map_tree(lambda leaf: leaf[0], (points, batch))).unsqueeze(0)
        else:
            values = torch.vmap(loss)(points, batch)
        if values.ndim != 1:
            raise ValueError(f"a loss is one number an optimizee, got shape {list(values.shape[1:])}; take its mean")
        grads = torch.autograd.grad(values.sum(), list(points.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(points, grads, strict=True)), values.detach()


def moved(point: Tensor, update: Tensor) -> Tensor:
    """θ + g, `[b, ...]` both. Raises ValueError for an update that has not the shape of its parameter."""
    if update.shape != point.shape:  # broadcast, it would reach over to other optimizees
        raise ValueError(
            f"an update has the shape of its parameter, {list(point.shape[1:])}, got {list(update.shape[1:])}"
        )
    return point + update


class Carry(NamedTuple):
    """Where b optimizees stand after t updates, the point θ_t evaluated on its minibatch d_t.

    `params` leaves `[b, ...]`; `state` is the rule's; `grad` as `params`; `loss` `[b]`; `step` is t.
    """

    params: Params
    state: State
    grad: Params
    loss: Tensor
    step: int


@dataclass(frozen=True)
class Unroll:
    """T inner steps of b optimizees as one pure function of (φ, carry, minibatches).

    `horizon` is the number of updates planned in all; rules with a schedule read it.
    """

    rule: Rule
    horizon: int
    oracle: Oracle = first_order

    def start(self, phi: Params, loss: Loss, params: Params, batch: Batch) -> Carry:
        """Evaluate the starting points θ_0 (leaves `[b, ...]`) on their first minibatches (leaves `[b, ...]`)."""
        grad, value = self.evaluate(loss, params, batch)
        return Carry(params, self.rule.start_many(phi, params), grad, value, 0)

    def __call__(self, phi: Params, loss: Loss, carry: Carry, data: Batch) -> tuple[Tensor, Carry]:
        """Walk on over the minibatches `data` (leaves `[b, t, ...]`): losses f(θ) of all t+1 points `[b, t+1]`."""
        losses = [carry.loss]
        for carry in self.walk(phi, loss, carry, data):  # noqa: B020 - each step starts where the last ended
            losses.append(carry.loss)
        return torch.stack(losses, 1), carry

    def walk(self, phi: Params, loss: Loss, carry: Carry, data: Batch) -> Iterator[Carry]:
        """The same, point by point."""
        for t in range(leaves(data)[0].shape[1]):
            signal = self.signal(carry)
            # under `first_order` all that a rule is shown is a constant, the parameters included
            shown = detach(carry.params) if self.oracle is first_order else carry.params
            update, state = self.rule.update_many(phi, signal, carry.state, shown)
            params = map_tree(moved, carry.params, update)
            grad, value = self.evaluate(loss, params, map_tree(lambda d, t=t: d[:, t], data))
            carry = Carry(params, state, grad, value, carry.step + 1)
            yield carry

    def signal(self, carry: Carry) -> Signal:
        """What the rule is told at this point."""
        value = carry.loss.detach() if self.oracle is first_order else carry.loss
        return Signal(carry.grad, value, carry.step, self.horizon)

    def evaluate(self, loss: Loss, params: Params, batch: Batch) -> tuple[Params, Tensor]:
        """Gradient and value of all b optimizees at once."""
        if self.oracle is first_order and not torch.is_grad_enabled():
            return gradients(loss, params, batch)
        return torch.vmap(lambda theta, d: self.oracle(loss, theta, d))(params, batch)
