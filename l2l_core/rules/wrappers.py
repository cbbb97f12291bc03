"""Rules made of rules: a schedule, a reflection, a weight less, a memory that ends, a division into groups."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from math import cos, pi
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from l2l_core.rule import Rule, Seen, State
from l2l_core.tree import Params, map_tree
from l2l_core.types import Signal


def constant(step: int, horizon: int | None) -> float:
    """1 at every step."""
    return 1.0


def cosine(step: int, horizon: int | None) -> float:
    r"""$\tfrac12(1 + \cos(\pi t/T))$: from 1 at the first step towards 0 at the known horizon T."""
    if horizon is None:
        raise ValueError("a cosine schedule needs the horizon: how many steps will be taken in all")
    return 0.5 * (1 + cos(pi * min(step, horizon) / horizon))


class Scheduled(Rule):
    """Another rule's update, multiplied by a factor of (t, T)."""

    def __init__(self, rule: Rule, schedule: Callable[[int, int | None], float]):
        super().__init__()
        self.rule, self.schedule = rule, schedule

    def extra_repr(self) -> str:
        """What the inner rule does not show."""
        return f"schedule={self.schedule.__name__}"

    def init(self, params: Params) -> State:
        """The inner rule's state."""
        return self.rule.init(params)

    def update(self, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """schedule(t, T) · g_t."""
        return self._scale(signal, *self.rule.update(signal, state, params))

    def update_many(self, phi: Params, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The same."""
        return self._scale(signal, *self.rule.update_many(within(phi, "rule."), signal, state, params))

    def _scale(self, signal: Signal, update: Params, state: State) -> tuple[Params, State]:
        factor = self.schedule(signal.step, signal.horizon)
        return map_tree(lambda g: factor * g, update), state


class ReflectedState(NamedTuple):
    """The signs, shaped as θ, and the inner rule's state."""

    signs: Params
    inner: State


class Reflected(Rule):
    r"""The rule in a reflected coordinate system: $g = s \odot m(s \odot \nabla)$ with fixed random signs s.

    A constant added to every coordinate is one number with enormous leverage over a shared rule, and truncated
    meta-gradients push it both ways. Half of the coordinates being mirrored, such a drift cancels, and nothing
    else is lost: a mirrored problem is as good a problem. The signs follow from `seed`, the tensor's name and
    its shape alone, so that `init` stays pure.
    """

    def __init__(self, rule: Rule, seed: int = 0):
        super().__init__()
        self.rule, self.seed = rule, seed

    def extra_repr(self) -> str:
        """What the inner rule does not show."""
        return f"seed={self.seed}"

    def init(self, params: Params) -> ReflectedState:
        """Draw the signs from the seed."""
        signs = {name: self._signs(name, p) for name, p in params.items()}
        return ReflectedState(signs, self.rule.init(params))

    def update(self, signal: Signal, state: ReflectedState, params: Params) -> tuple[Params, ReflectedState]:
        """s ⊙ m(s ⊙ ∇)."""
        return self._mirrored(self.rule.update, signal, state, params)

    def update_many(
        self, phi: Params, signal: Signal, state: ReflectedState, params: Params
    ) -> tuple[Params, ReflectedState]:
        """The same, every optimizee with its own signs."""
        return self._mirrored(partial(self.rule.update_many, within(phi, "rule.")), signal, state, params)

    def _mirrored(
        self, update: Callable, signal: Signal, state: ReflectedState, params: Params
    ) -> tuple[Params, ReflectedState]:
        mirrored = signal._replace(grad=_times(state.signs, signal.grad))
        step, inner = update(mirrored, state.inner, _times(state.signs, params))
        return _times(state.signs, step), ReflectedState(state.signs, inner)

    def pullback(self, phi: Params, seen: list[Seen], states: list[ReflectedState], upstream: list[Params]) -> Params:
        """The inner rule's, in mirrored coordinates."""
        signs = states[0].signs
        mirrored = [
            (signal._replace(grad=_times(signs, signal.grad)), _times(signs, params)) for signal, params in seen
        ]
        mirrored_up = [_times(signs, u) for u in upstream]
        grads = self.rule.pullback(within(phi, "rule."), mirrored, [state.inner for state in states], mirrored_up)
        return {f"rule.{name}": g for name, g in grads.items()}

    def _signs(self, name: str, like: Tensor) -> Tensor:
        draws = np.random.default_rng([self.seed, crc32(name.encode())]).integers(0, 2, tuple(like.shape))
        return torch.as_tensor(2.0 * draws - 1).to(like)


class Without(Rule):
    """Another rule with one of its weights held at zero: no part of φ, and never trained.

    Raises ValueError for a name that is none of the rule's weights.
    """

    def __init__(self, rule: Rule, name: str):
        super().__init__()
        if name not in dict(rule.named_parameters()):
            raise ValueError(
                f"the rule has no weight {name!r}; it has {', '.join(n for n, _ in rule.named_parameters())}"
            )
        owner, _, last = name.rpartition(".")
        zero = torch.zeros_like(rule.get_parameter(name).detach())
        delattr(rule.get_submodule(owner), last)
        # a buffer moves with the module; φ and files hold parameters alone
        rule.get_submodule(owner).register_buffer(last, zero, persistent=False)
        self.rule, self.name = rule, name

    def extra_repr(self) -> str:
        """What the inner rule does not show."""
        return f"name={self.name}"

    def init(self, params: Params) -> State:
        """The inner rule's state."""
        return self.rule.init(params)

    def update(self, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The inner rule's, with a zero in place."""
        return self.rule.update(signal, state, params)

    def update_many(self, phi: Params, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The same."""
        return self.rule.update_many(self._whole(phi), signal, state, params)

    def pullback(self, phi: Params, seen: list[Seen], states: list[State], upstream: list[Params]) -> Params:
        """The inner rule's, but for the weight that is none."""
        grads = self.rule.pullback(self._whole(phi), seen, states, upstream)
        return {f"rule.{name}": g for name, g in grads.items() if name != self.name}

    def _whole(self, phi: Params) -> Params:
        return {**within(phi, "rule."), self.name: self.rule.get_buffer(self.name)}


class Forgetful(Rule):
    r"""Another rule whose memory begins anew at every step t that `every` divides: $(g_t, s_{t+1}) = m(\nabla_t, s_0)$.

    With windows as long as that, it is the rule that training code makes which does not carry the memory from one
    window to the next. Raises ValueError unless `every` ≥ 1.
    """

    def __init__(self, rule: Rule, every: int):
        super().__init__()
        if every < 1:
            raise ValueError(f"a memory lasts at least one step, got every = {every}")
        self.rule, self.every = rule, every

    def extra_repr(self) -> str:
        """What the inner rule does not show."""
        return f"every={self.every}"

    def init(self, params: Params) -> State:
        """The inner rule's state."""
        return self.rule.init(params)

    def update(self, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The inner rule's, from its first state where that is due."""
        return self.rule.update(signal, self.rule.init(params) if self._due(signal) else state, params)

    def update_many(self, phi: Params, signal: Signal, state: State, params: Params) -> tuple[Params, State]:
        """The same."""
        inner = within(phi, "rule.")
        state = self.rule.start_many(inner, params) if self._due(signal) else state
        return self.rule.update_many(inner, signal, state, params)

    def pullback(self, phi: Params, seen: list[Seen], states: list[State], upstream: list[Params]) -> Params:
        """The sum over the pieces between two beginnings: nothing flows from one to another."""
        inner, due = within(phi, "rule."), [t for t, (signal, _) in enumerate(seen) if self._due(signal)]
        total = {name: torch.zeros_like(w) for name, w in inner.items()}
        for first, last in pairwise(sorted({0, *due, len(seen)})):
            start = self.rule.start_many(inner, seen[first][1]) if first in due else states[first]
            piece = slice(first, last)
            memories = [start, *states[first + 1 : last + 1]]
            grads = self.rule.pullback(inner, seen[piece], memories, upstream[piece])
            total = {name: total[name] + g for name, g in grads.items()}
        return {f"rule.{name}": g for name, g in total.items()}

    def _due(self, signal: Signal) -> bool:
        return signal.step % self.every == 0


class Grouped(Rule):
    """Separate rules for separate groups of tensors.

    `assign(name, shape)` names the rule that a tensor belongs to. Raises KeyError for a name without a rule.
    Source: Andrychowicz et al. 2016, §3.3 (two LSTMs: convolution kernels, everything else).
    """

    def __init__(self, rules: Mapping[str, Rule], assign: Callable[[str, torch.Size], str]):
        super().__init__()
        self.rules, self.assign = nn.ModuleDict(rules), assign

    def extra_repr(self) -> str:
        """What the inner rules do not show."""
        return f"assign={self.assign.__qualname__}"

    def init(self, params: Params) -> dict[str, State]:
        """One state a group; a group without tensors has none."""
        return {key: self.rules[key].init(part) for key, part in self.split(params).items()}

    def update(self, signal: Signal, state: dict[str, State], params: Params) -> tuple[Params, dict[str, State]]:
        """Each group by its own rule."""
        step, memory = {}, {}
        for key, part in self.split(params).items():
            shown = signal._replace(grad=_pick(signal.grad, part))
            update, memory[key] = self.rules[key].update(shown, state[key], part)
            step.update(update)
        return {name: step[name] for name in params}, memory

    def update_many(
        self, phi: Params, signal: Signal, state: dict[str, State], params: Params
    ) -> tuple[Params, dict[str, State]]:
        """The same for b optimizees."""
        step, memory = {}, {}
        for key, part in self.split(params, lead=1).items():
            shown, weights = signal._replace(grad=_pick(signal.grad, part)), within(phi, f"rules.{key}.")
            update, memory[key] = self.rules[key].update_many(weights, shown, state[key], part)
            step.update(update)
        return {name: step[name] for name in params}, memory

    def pullback(self, phi: Params, seen: list[Seen], states: list[dict[str, State]], upstream: list[Params]) -> Params:
        """Each group by its own rule; a rule without tensors has no gradient."""
        grads = {name: torch.zeros_like(w) for name, w in phi.items()}
        for key, names in self.split(seen[0][1], lead=1).items():
            part = [(s._replace(grad=_pick(s.grad, names)), _pick(params, names)) for s, params in seen]
            up = [_pick(u, names) for u in upstream]
            inner = self.rules[key].pullback(within(phi, f"rules.{key}."), part, [state[key] for state in states], up)
            grads.update({f"rules.{key}.{name}": g for name, g in inner.items()})
        return grads

    def split(self, params: Params, lead: int = 0) -> dict[str, Params]:
        """The tensors of each group that has any; their shapes begin after `lead` axes of tasks."""
        groups: dict[str, Params] = {}
        for name, p in params.items():
            key = self.assign(name, p.shape[lead:])
            if key not in self.rules:
                raise KeyError(f"parameter {name!r} is assigned to {key!r}; there are rules for {list(self.rules)}")
            groups.setdefault(key, {})[name] = p
        return groups


def _times(signs: Params, params: Params) -> Params:
    return {name: signs[name] * p for name, p in params.items()}


def _pick(params: Params, names: Params) -> Params:
    return {name: params[name] for name in names}


def within(phi: Params, prefix: str) -> Params:
    """The weights of the rule inside a rule, by its own names."""
    return {name.removeprefix(prefix): w for name, w in phi.items() if name.startswith(prefix)}
