"""Self-checks of the chapters on practice."""

from collections.abc import Callable
from typing import Any

import torch

from l2l_core.exercises.compare import Hint, compare
from l2l_core.rule import Rule
from l2l_core.rules import SGD
from l2l_core.tree import Params, ravel
from l2l_core.types import Signal

THETA = {"a": torch.tensor([2.0, -1.0]).double(), "b": torch.tensor([[0.5]]).double()}
GRAD = {"a": torch.tensor([3.0, 4.0]).double(), "b": torch.tensor([[-12.0]]).double()}


@torch.no_grad()
def _answer(rule: Rule, grad: Params) -> torch.Tensor:
    return ravel(rule.update(Signal(grad, None, 0, 10), rule.init(THETA), THETA)[0])


def decayed_rule(make: Callable[[Rule, float], Rule]) -> Hint:
    """take-home-2: a function (rule, λ) to the rule whose step is θ ← (1 − λ)θ + g."""
    rate, share = 0.5, 0.1
    theta, step = ravel(THETA), -rate * ravel(GRAD)
    traps = {
        "nothing decays: this is the inner rule's own step.": step,
        "the weights grow: the decay has the wrong sign.": step + share * theta,
        "the decay went through the rule, with the gradient, and came out in its units.": step - rate * share * theta,
        "the update decays, too; θ alone should.": (1 - share) * step - share * theta,
    }
    return compare(_answer(make(SGD(rate), share), GRAD), step - share * theta, traps)


def bounded_rule(make: Callable[[Rule, float], Rule]) -> Hint:
    """take-home-3: a function (rule, δ) to the rule whose whole step is never longer than δ."""
    rate, most = 0.5, 0.13
    long, short = make(SGD(rate), most), {name: 1e-3 * g for name, g in GRAD.items()}
    whole = -ravel(GRAD) / ravel(GRAD).norm()  # of length 13
    traps = {
        "nothing is bounded: this is the inner rule's own step.": -rate * ravel(GRAD),
        "the gradient is clipped before the rule sees it, so that the step has another length.": rate * most * whole,
        "each tensor is bounded on its own; together they are longer than δ.": -most
        * ravel({name: g / g.norm() for name, g in GRAD.items()}),
        "each coordinate is bounded on its own.": -ravel(GRAD).sign() * most,
    }
    if hint := compare(_answer(long, GRAD), most * whole, traps):
        return hint
    if hint := compare(_answer(long, short), -rate * ravel(short)):
        return f"long steps are right, and short ones should stay as they are: {hint}"
    return None


CHECKS: dict[str, Callable[[Any], Hint]] = {"take-home-2": decayed_rule, "take-home-3": bounded_rule}
"""By exercise."""
