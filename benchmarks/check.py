"""All sides do the same work: the same losses, the same meta-gradient, within what single precision leaves."""

from pathlib import Path

import numpy as np

COMPARED = 20
"""Points of a loss curve that are compared: later ones differ by rounding errors that have grown."""
RESULT, GRADIENT = 1e-4, 1e-2
"""Allowed relative differences, in the Euclidean norm; gradients through kinks of ReLU and pooling differ by more."""


class DifferentWork(AssertionError):
    """Two sides computed different things."""


def same_work(found: dict[str, Path]) -> None:
    """Raise DifferentWork unless all sides' files (of `worker.save`) hold the same numbers as the first's."""
    arrays = {side: _load(path) for side, path in found.items()}
    (first, reference), *others = arrays.items()
    for side, mine in others:
        for name, allowed in (("result", RESULT), ("gradient", GRADIENT)):
            a, b = reference[name], mine[name]
            off = np.linalg.norm(a - b) / max(np.linalg.norm(a), 1e-30) if a.shape == b.shape else np.inf
            if not off <= allowed:
                raise DifferentWork(f"the {name} of {side} differs from that of {first} by {off:.1e} (relative)")


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        grads = [file[name].ravel() for name in sorted(file.files) if name != "found"]
        found = file["found"]
    if found.ndim == 2:  # loss curves; a side may run its problems in any order
        found = found[np.argsort(found[:, 0]), : COMPARED + 1]
    return {"result": found, "gradient": np.concatenate([np.zeros(0), *grads])}
