"""Fair baselines: the learning rate of a hand-designed rule, searched by code."""

from collections.abc import Callable
from math import inf, isfinite
from typing import NamedTuple

RATIO = 1.5
"""Neighbouring learning rates of a grid differ by this factor."""


class Tuned(NamedTuple):
    """The best learning rate, its score, and every (rate, score) tried, in order of rate."""

    lr: float
    score: float
    grid: list[tuple[float, float]]


def tune(score: Callable[[float], float], start: float, ratio: float = RATIO, limit: int = 40) -> Tuned:
    """Search `start · ratio**k` for the lowest score, with two worse rates on either side of the best.

    The grid grows towards whichever side the best is too close to; a score that is not finite counts as
    infinitely bad. Raises ValueError if no rate is finite or the best keeps moving for `limit` rates.
    """
    scores: dict[int, float] = {}

    def at(k: int) -> float:
        if k not in scores:
            value = score(start * ratio**k)
            scores[k] = value if isfinite(value) else inf
        return scores[k]

    for k in range(-2, 3):
        at(k)
    while len(scores) < limit:
        best = min(scores, key=scores.__getitem__)
        missing = [k for k in (best - 2, best - 1, best + 1, best + 2) if k not in scores]
        if not missing:
            break
        at(missing[0])
    else:
        raise ValueError(f"no interior optimum among {limit} learning rates from {start}: {sorted(scores.items())}")
    if scores[best] == inf:
        raise ValueError(f"no learning rate near {start} gave a finite loss")
    grid = [(start * ratio**k, scores[k]) for k in sorted(scores)]
    return Tuned(start * ratio**best, scores[best], grid)
