"""Arithmetic without denormal numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Within, or in a function so decorated, results too near to 0 for a normal number (1e-38 in float32) are 0.

    That holds for this thread and those it starts. Saturated gates make many such numbers on the way back through a
    window, and a processor can take a hundred times as long over one as over another number.
    """
    before = not denormals_live()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def denormals_live() -> bool:
    """Whether half of the smallest normal number is a number."""
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)
    return bool(smallest / 2 != 0)
