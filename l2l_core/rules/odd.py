"""A rule made odd: it has no direction of its own."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from l2l_core.rule import Rule, Seen, State
from l2l_core.rules.wrappers import within
from l2l_core.tree import Params, map_tree
from l2l_core.types import Signal


class OddState(NamedTuple):
    """The inner rule's states: of the problem as it is, and of its mirror image."""

    plus: State
    minus: State


class Odd(Rule):
    r"""The odd part of a rule: $g_t = \tfrac12\big(m(\nabla_t, s^+_t) - m(-\nabla_t, s^-_t)\big)$.

    Two memories run side by side, one on the problem and one on its mirror image, so that $m$ costs twice its time. A
    mirrored problem is answered with the mirrored update, and where there is no gradient, and never was one, there is
    no update: whatever $m$ would add to every coordinate alike, its read-out bias first of all, cancels exactly.
    `Reflected` has this on the average over signs, `Odd` in every coordinate.
    """

    def __init__(self, rule: Rule):
        super().__init__()
        self.rule = rule

    def init(self, params: Params) -> OddState:
        """The inner rule's, twice."""
        return OddState(self.rule.init(params), self.rule.init(_mirrored(params)))

    def update(self, signal: Signal, state: OddState, params: Params) -> tuple[Params, OddState]:
        """½(m(∇) − m(−∇))."""
        return _odd(self.rule.update, signal, state, params)

    def update_many(self, phi: Params, signal: Signal, state: OddState, params: Params) -> tuple[Params, OddState]:
        """The same."""
        return _odd(partial(self.rule.update_many, within(phi, "rule.")), signal, state, params)

    def pullback(self, phi: Params, seen: list[Seen], states: list[OddState], upstream: list[Params]) -> Params:
        """The inner rule's, once for each memory."""
        inner = within(phi, "rule.")
        images = [(signal._replace(grad=_mirrored(signal.grad)), _mirrored(params)) for signal, params in seen]
        plus = self.rule.pullback(inner, seen, [s.plus for s in states], [_times(0.5, u) for u in upstream])
        minus = self.rule.pullback(inner, images, [s.minus for s in states], [_times(-0.5, u) for u in upstream])
        return {f"rule.{name}": plus[name] + minus[name] for name in plus}


def _odd(update: Callable, signal: Signal, state: OddState, params: Params) -> tuple[Params, OddState]:
    ours, plus = update(signal, state.plus, params)
    image, minus = update(signal._replace(grad=_mirrored(signal.grad)), state.minus, _mirrored(params))
    return {name: 0.5 * (g - image[name]) for name, g in ours.items()}, OddState(plus, minus)


def _mirrored(params: Params) -> Params:
    return _times(-1.0, params)


def _times(factor: float, params: Params) -> Params:
    return map_tree(lambda p: factor * p, params)
