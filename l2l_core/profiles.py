"""Performance profiles: how often, and by how much, one optimizer is slower than the best of several.

A solver s needs t_{p,s} steps to reach the target of problem p, ∞ if it never does. Source: Dolan and Moré 2002,
*Benchmarking optimization software with performance profiles*.
"""

from collections.abc import Mapping, Sequence

import numpy as np

FLOOR = 1e-8
"""No target asks for more than if the best known loss were this share of the start's: single precision ends there."""


def running(curves: np.ndarray, average: int) -> np.ndarray:
    """At every step the mean over the last `average` losses, or over all where there are fewer: `[·, steps+1]`."""
    if average < 1:
        raise ValueError(f"a running mean has at least one loss, got average = {average}")
    means = [curves[..., max(0, t - average + 1) : t + 1].mean(-1) for t in range(curves.shape[-1])]
    return np.stack(means, -1)


def targets(start: np.ndarray, best: np.ndarray) -> np.ndarray:
    r"""Losses that count as success: $\sqrt{f_0 f_\star}$, one a problem.

    f₀ = `start` is the loss at θ_0, f⋆ = `best` the lowest running loss that the solvers of reference reached, taken
    for no less than `FLOOR` · f₀. That is half of the way down on a logarithmic axis, in whatever units: where losses
    fall in a straight line there, one that falls half as fast as the best arrives, too, at the end.

    Raises ValueError unless 0 ≤ f⋆ ≤ f₀ < ∞ and f₀ > 0.
    """
    start, best = np.asarray(start, dtype=float), np.asarray(best, dtype=float)
    if not ((start > 0) & (best >= 0) & (best <= start) & np.isfinite(start)).all():
        raise ValueError("a target lies between a positive start and a best loss that is no higher and not negative")
    return np.sqrt(start * np.maximum(best, FLOOR * start))


def arrivals(losses: np.ndarray, target: Sequence[float]) -> np.ndarray:
    """The first step t ≥ 1 at which a loss is at its target or below, ∞ if none is: `[p, steps+1]`, `[p]` to `[p]`.

    A loss that is not a number reaches nothing. A run that diverges after it arrived has arrived.
    """
    reached = losses[:, 1:] <= np.asarray(target)[:, None]
    return np.where(reached.any(1), reached.argmax(1) + 1.0, np.inf)


def ratios(steps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    r"""$r_{p,s} = t_{p,s} / \min_{s'} t_{p,s'}$ of every solver on every problem; ∞ where s never arrives.

    Solvers that tie for the best have the ratio 1, all of them. Raises ValueError if there is no solver, if solvers
    were run on different numbers of problems, or on none, or if a step is not 1 or more.
    """
    sizes = {len(found) for found in steps.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"every solver has one number for each problem, got {sorted(sizes)} numbers")
    table = np.array([steps[name] for name in steps], dtype=float)
    if not (table >= 1).all():
        raise ValueError("a target is reached at step 1 or later, or never (infinity)")
    best = table.min(0)
    solvable = np.isfinite(best)  # where nobody arrives, nobody is best
    found = np.full_like(table, np.inf)
    found[:, solvable] = table[:, solvable] / best[solvable]
    return dict(zip(steps, found, strict=True))


def profile(steps: Mapping[str, np.ndarray], factors: Sequence[float]) -> dict[str, np.ndarray]:
    r"""$\rho_s(\tau)$: the share of all problems that s solves within τ times the best solver's steps, τ in `factors`.

    ρ_s(1) is how often s is the best, ρ_s(∞) how often it arrives at all. Who is best depends on who takes part: with
    another solver in `steps` every profile may change. Raises ValueError as `ratios`.
    """
    at = np.asarray(factors, dtype=float)[:, None]
    # at τ = ∞ a problem that is never solved would count: ∞ ≤ ∞
    return {name: ((one <= at) & np.isfinite(one)).mean(1) for name, one in ratios(steps).items()}
