"""How single runs of meta-training went: what they found, and whether they kept it.

The two criteria were written before the runs of the `wandering` recipes.
"""

from collections.abc import Sequence
from math import inf, isfinite, isnan
from typing import Any

KEPT = 1.15
"""A run has kept what it found while its validation loss is at most this many times its best."""
LAST = 3
"""Validations at the end of a run over which that is asked."""


def found(run: dict[str, Any]) -> float:
    """The best validation loss of one run (as `train_meta_seed` records it); infinite for one that diverged."""
    return min(_scores(run), default=inf)


def ended(run: dict[str, Any]) -> float:
    """The mean of the last `LAST` validation losses; infinite for a run that diverged."""
    scores = _scores(run)[-LAST:]
    return sum(scores) / len(scores) if scores else inf


def succeeded(run: dict[str, Any], bar: float) -> bool:
    """Whether the run's best φ beats `bar`, the best tuned baseline's validation loss."""
    return found(run) < bar


def kept(run: dict[str, Any]) -> bool:
    """Whether the run ended within `KEPT` of its best: if not, it wandered off."""
    return isfinite(found(run)) and ended(run) <= KEPT * found(run)


def count(runs: Sequence[dict[str, Any]], bar: float) -> dict[str, int]:
    """How many of the runs succeeded, how many kept what they found, and how many did both."""
    success, calm = [succeeded(run, bar) for run in runs], [kept(run) for run in runs]
    both = sum(s and k for s, k in zip(success, calm, strict=True))
    return {"runs": len(runs), "succeeded": sum(success), "kept": sum(calm), "both": both}


def _scores(run: dict[str, Any]) -> list[float]:
    """Validation losses after the start, in order; none for a run that diverged."""
    return [] if "diverged" in run else [inf if isnan(score) else score for _, score in run["history"][1:]]
