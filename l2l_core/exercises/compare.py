"""What is off in a number: its shape, its sign, a factor, its place."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Hint = str | None
"""What is off in an answer; None where nothing is."""

FACTORS = {2.0: "2", 3.0: "3", 4.0: "4", 10.0: "10", 100.0: "100", 1e3: "1,000", 1e6: "a million"}
"""Factors that are lost more often than others."""


def as_tensor(answer: Any) -> Tensor:
    """Numbers in any container as one tensor of doubles; raises TypeError or ValueError for what holds none."""
    if isinstance(answer, list | tuple):
        return torch.stack([as_tensor(one) for one in answer])
    return torch.as_tensor(answer).detach().double().cpu()


def compare(answer: Any, truth: Any, traps: Mapping[str, Any] | None = None, rtol: float = 1e-3) -> Hint:
    """None where `answer` is `truth` to the relative tolerance, otherwise what is off.

    `traps` are wrong answers with a reason of their own, by what is to be said to them: they are looked at first.
    Then come an entry too many or too few, another shape, NaN, sign, order, place, factor.
    """
    try:
        answer = as_tensor(answer)
    except (TypeError, ValueError, RuntimeError):
        return f"a number or an array of numbers is expected here, not {type(answer).__name__}."
    truth, traps = as_tensor(truth), {hint: as_tensor(value) for hint, value in (traps or {}).items()}
    if answer.numel() == truth.numel() == 1:
        answer = answer.reshape(truth.shape)
    if _close(answer, truth, rtol):
        return None
    for hint, value in traps.items():
        if _close(answer, value, rtol):
            return hint
    if answer.shape != truth.shape:
        return _shape(answer.shape, truth.shape)
    if not answer.isfinite().all():
        return "the answer is not finite: it holds NaN or infinity."
    return _order(answer, truth, rtol) or _size(answer, truth, rtol)


def _close(answer: Tensor, truth: Tensor, rtol: float) -> bool:
    # an entry that should vanish may be as large as rounding of the largest one
    scale = float(truth.abs().max()) if truth.numel() else 0.0
    return answer.shape == truth.shape and torch.allclose(answer, truth, rtol=rtol, atol=1e-6 * rtol * scale)


def _shape(found: torch.Size, expected: torch.Size) -> str:
    if len(found) == len(expected) == 1 and abs(found[0] - expected[0]) == 1:
        return f"{found[0]} entries instead of {expected[0]}: count the ends once more."
    return f"the shape is {list(found)}, and {list(expected)} is expected."


def _order(answer: Tensor, truth: Tensor, rtol: float) -> Hint:
    """What is off where the entries are right but for their sign, order or place."""
    if _close(-answer, truth, rtol):
        return "the sign is the wrong way round; all else is right."
    if answer.dim() and _close(answer.flip(0), truth, rtol):
        return "the entries are right, in reverse order."
    if answer.dim() and len(truth) > 2:
        for one, other in ((answer[1:], truth[:-1]), (answer[:-1], truth[1:])):
            if _close(one, other, rtol):
                return "off by one: every entry stands one place beside where it belongs."
    if not answer.dim() and float(truth).is_integer() and abs(float(answer - truth)) == 1:
        return "off by one."
    return None


def _size(answer: Tensor, truth: Tensor, rtol: float) -> str:
    """What is off where entries are too large or too small."""
    kept = truth != 0
    ratio = (answer[kept] / truth[kept]).flatten()
    if len(ratio) and (answer[~kept] == 0).all() and torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=rtol):
        one = float(ratio[0])
        for factor, name in FACTORS.items():
            for side, way in ((one, "large"), (1 / one if one else 0.0, "small")):
                if abs(side / factor - 1) < rtol:
                    return f"too {way} by a factor of {name}."
        if len(ratio) > 1:
            return f"every entry is off by the same factor, {one:.3g}."
    if not answer.dim():
        return "too large." if answer > truth else "too small."
    wrong = (~torch.isclose(answer, truth, rtol=rtol)).flatten()
    first = int(wrong.nonzero()[0])
    return f"{int(wrong.sum())} of {wrong.numel()} entries are off, the first of them at position {first}."
