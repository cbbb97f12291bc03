"""What became of a run, judged from its validations alone."""

from math import inf, nan

import pytest

from l2l_core.wandering import KEPT, count, ended, found, kept, succeeded


def run(*scores):
    return {"history": [[30 * k, score] for k, score in enumerate(scores)]}


def test_the_start_is_nobodys_finding():
    assert found(run(0.1, 0.5, 0.4, 0.6)) == 0.4


def test_a_run_ends_with_its_last_three_validations():
    assert ended(run(2.3, 0.9, 0.3, 0.4, 0.5)) == pytest.approx(0.4)


@pytest.mark.parametrize(("worse", "verdict"), [(KEPT - 0.01, True), (KEPT + 0.01, False)])
def test_a_run_that_ends_far_above_its_best_has_wandered(worse, verdict):
    assert kept(run(2.3, 0.4, *[0.4 * worse] * 3)) is verdict


def test_a_run_that_still_improves_has_kept_what_it_found():
    assert kept(run(2.3, 2.0, 0.33, 0.31, 0.3))


def test_success_asks_for_the_best_and_not_for_the_end():
    assert succeeded(run(2.3, 0.28, 2.0), 0.29)
    assert not succeeded(run(2.3, 0.29, 0.3), 0.29)


@pytest.mark.parametrize("lost", [{"diverged": "nan at 3"}, run(2.3, nan, nan, nan), run(2.3, 0.3, nan)])
def test_a_run_that_diverged_has_kept_nothing(lost):
    assert not kept(lost)
    assert ended(lost) == inf


def test_runs_are_counted_and_the_diverged_are_among_them():
    runs = [run(2, 0.2, 0.2), run(2, 0.2, 1.0), run(2, 0.5, 0.5), {"diverged": "inf"}]
    assert count(runs, 0.3) == {"runs": 4, "succeeded": 2, "kept": 2, "both": 1}
