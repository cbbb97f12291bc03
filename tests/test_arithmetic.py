"""Denormal numbers are zeros within, and what they were outside."""

import pytest
import torch

from l2l_core.arithmetic import denormals_flushed


def half_of_the_smallest():
    return float(torch.tensor(torch.finfo(torch.float32).tiny) / 2)


@pytest.fixture(autouse=True)
def _as_before():
    yield
    torch.set_flush_denormal(False)


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormal numbers")
@pytest.mark.parametrize("before", [False, True])
def test_denormal_numbers_are_zeros_within_and_as_they_were_outside(before):
    torch.set_flush_denormal(before)
    with denormals_flushed():
        assert half_of_the_smallest() == 0
    assert (half_of_the_smallest() == 0) == before


def test_normal_numbers_stay():
    with denormals_flushed():
        assert float(torch.tensor(torch.finfo(torch.float32).tiny) * 1) > 0
