"""The search for a learning rate, on functions whose best rate is known."""

from itertools import pairwise
from math import inf, log, nan

import pytest

from l2l_core.baselines import RATIO, tune


@pytest.mark.parametrize("best", [1e-4, 0.03, 1.0, 700.0])
def test_the_search_ends_within_half_a_grid_step_of_the_best_rate(best):
    tuned = tune(lambda lr: log(lr / best) ** 2, start=0.1)
    assert abs(log(tuned.lr / best)) <= log(RATIO) / 2 + 1e-9


def test_the_best_rate_has_two_worse_neighbours_on_either_side():
    tuned = tune(lambda lr: abs(log(lr / 5)), start=0.1)
    rates = [lr for lr, _ in tuned.grid]
    place = rates.index(tuned.lr)
    assert 2 <= place <= len(rates) - 3
    assert all(score >= tuned.score for _, score in tuned.grid)
    assert [b / a for a, b in pairwise(rates)] == pytest.approx([RATIO] * (len(rates) - 1))


@pytest.mark.parametrize("bad", [inf, nan])
def test_rates_that_diverge_lose(bad):
    tuned = tune(lambda lr: bad if lr > 1 else -lr, start=0.9)
    assert tuned.lr <= 1
    assert tuned.grid[-1][1] == inf


def test_a_search_that_finds_nothing_says_so():
    with pytest.raises(ValueError, match="no learning rate near 1 gave a finite loss"):
        tune(lambda lr: nan, start=1)
    with pytest.raises(ValueError, match="no interior optimum among 40"):
        tune(lambda lr: -lr, start=1)
