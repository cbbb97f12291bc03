"""An update rule, learned or hand-designed: a module with two pure functions."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from l2l_core.tree import Params, leaves
from l2l_core.types import Signal

State = Any
"""What a rule remembers between two steps: a tree of tensors, different for every rule."""

Seen = tuple[Signal, Params]
"""What a rule was shown at one step: the signal and the parameters."""


class Rule(nn.Module, ABC):
    """m in θ_{t+1} = θ_t + g_t, with (g_t, h_{t+1}) = m(∇_t, h_t; φ).

    The weights φ are the module's parameters. Both methods are written for *one* optimizee and have no
    side effects; `vmap` runs many. Source: Andrychowicz et al. 2016, §2.
    """

    @abstractmethod
    def init(self, params: Params) -> State:
        """The state before the first step, for an optimizee shaped as `params`."""

    @abstractmethod
    def update(self, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The step g_t, which the caller *adds* to θ_t, and the next state."""

    def forward(self, method: str, *args: Any) -> Any:
        """Call `init` or `update` by name, so that `functional_call` can put any φ in their place."""
        return getattr(self, method)(*args)

    def apply_with(self, phi: Params, method: str, *args: Any) -> Any:
        """Call `init` or `update` with the weights `phi` instead of the module's own."""
        return functional_call(self, phi, (method, *args))

    def start_many(self, phi: Params, params: Params) -> State:
        """`init` for b optimizees at once: every leaf of `params` and of the result leads with b."""
        return torch.vmap(lambda theta: self.apply_with(phi, "init", theta))(params)

    def update_many(self, phi: Params, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """`update` for b optimizees at once."""

        def one(grad: Params, loss: torch.Tensor, state: State, params: Params) -> tuple[Params, State]:
            return self.apply_with(phi, "update", signal._replace(grad=grad, loss=loss), state, params)

        in_dims = (0, None if signal.loss is None else 0, 0, 0)
        return torch.vmap(one, in_dims)(signal.grad, signal.loss, state, params)

    def pullback(self, phi: Params, seen: list[Seen], states: list[State], upstream: list[Params]) -> Params:
        r"""The vector–Jacobian product of a window of updates: ∂/∂φ Σ_t ⟨u_t, g_t(φ)⟩, with the u_t in `upstream`.

        What the rule was shown is held constant; only its own weights and its own memory are differentiated.
        `seen` and `upstream` have one entry a step, `states` one more: before each step and after the last. This
        general form builds an autograd graph through the rule alone; rules with independent coordinates do better.
        """
        phi, state = {name: w.detach().requires_grad_() for name, w in phi.items()}, states[0]
        with torch.enable_grad():
            total = torch.zeros((), dtype=torch.float64)
            for (signal, params), weight in zip(seen, upstream, strict=True):
                update, state = self.update_many(phi, signal, state, params)
                total = total + sum((u * w).sum() for u, w in zip(leaves(update), leaves(weight), strict=True))
        if not phi or not total.requires_grad:
            return {name: torch.zeros_like(w) for name, w in phi.items()}
        grads = torch.autograd.grad(total, list(phi.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(phi, grads, strict=True))
