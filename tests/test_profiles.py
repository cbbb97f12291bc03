"""Performance profiles, by hand and by what must hold of every one."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2l_core.profiles import FLOOR, arrivals, profile, ratios, running, targets

FACTORS = [1, 1.5, 2, 3, 10, 100, inf]

# three solvers on four problems: ties, a problem that one alone solves, a problem that nobody does
STEPS = {
    "a": np.array([10, 20, inf, inf]),
    "b": np.array([20, 20, 50, inf]),
    "c": np.array([30, inf, inf, inf]),
}


@st.composite
def tables(draw):
    """Steps of one to four solvers on as many problems for each, some never solved."""
    step = st.one_of(st.integers(1, 100).map(float), st.just(inf))
    problems, solvers = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    return {f"s{k}": np.array(draw(st.lists(step, min_size=problems, max_size=problems))) for k in range(solvers)}


def test_ratios_and_shares_are_those_worked_out_by_hand():
    found = ratios(STEPS)
    assert found["a"].tolist() == [1, 1, inf, inf]
    assert found["b"].tolist() == [2, 1, 1, inf]
    assert found["c"].tolist() == [3, inf, inf, inf]
    shares = profile(STEPS, [1, 2, 3, inf])
    assert shares["a"].tolist() == [0.5, 0.5, 0.5, 0.5]
    assert shares["b"].tolist() == [0.5, 0.75, 0.75, 0.75]
    assert shares["c"].tolist() == [0, 0, 0.25, 0.25]


@given(tables())
def test_a_profile_never_falls_and_ends_at_the_share_of_problems_solved(steps):
    for name, share in profile(steps, FACTORS).items():
        assert (np.diff(share) >= 0).all()
        assert share[-1] == np.isfinite(steps[name]).mean()


@given(tables())
def test_somebody_is_the_fastest_on_every_problem_that_anybody_solves(steps):
    solved = np.isfinite(list(steps.values())).any(0).mean()
    first = sum(share[0] for share in profile(steps, FACTORS).values())
    assert first >= solved - 1e-12


@given(tables(), st.randoms(use_true_random=False))
def test_neither_the_order_of_problems_nor_that_of_solvers_matters(steps, chance):
    order = list(range(len(next(iter(steps.values())))))
    names = list(steps)
    chance.shuffle(order)
    chance.shuffle(names)
    mixed = profile({name: steps[name][order] for name in names}, FACTORS)
    for name, share in profile(steps, FACTORS).items():
        np.testing.assert_allclose(mixed[name], share)


@given(tables(), st.integers(1, 9))
def test_a_problem_that_takes_everybody_so_many_times_longer_counts_the_same(steps, factor):
    longer = {name: np.concatenate([factor * found[:1], found[1:]]) for name, found in steps.items()}
    for name, share in profile(steps, FACTORS).items():
        np.testing.assert_allclose(profile(longer, FACTORS)[name], share)


@given(tables())
def test_a_solver_that_never_arrives_changes_nothing_for_the_others(steps):
    lost = {"lost": np.full(len(steps["s0"]), inf)}
    with_it = profile({**steps, **lost}, FACTORS)
    assert not with_it.pop("lost").any()
    for name, share in profile(steps, FACTORS).items():
        np.testing.assert_array_equal(with_it[name], share)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({}, "one number for each problem"),
        ({"a": np.array([])}, "one number for each problem"),
        ({"a": np.ones(2), "b": np.ones(3)}, r"got \[2, 3\] numbers"),
        ({"a": np.array([0.0])}, "at step 1 or later, or never"),
        ({"a": np.array([nan])}, "at step 1 or later, or never"),
    ],
)
def test_what_is_no_table_of_steps_is_refused(steps, message):
    with pytest.raises(ValueError, match=message):
        ratios(steps)


def test_the_first_step_at_the_target_counts_and_the_start_does_not():
    losses = np.array([[4.0, 3, 2, 1], [1, 3, 3, 1], [4, 3, 3, 3]])
    assert arrivals(losses, [2.0, 2, 2]).tolist() == [2, 3, inf]
    assert arrivals(losses, [3.0, 3, 3]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("bad", [nan, inf])
def test_a_run_that_diverges_arrives_only_if_it_did_before(bad):
    losses = np.array([[4.0, 3, 2, bad], [4, bad, bad, bad]])
    assert arrivals(losses, [2.5, 2.5]).tolist() == [2, inf]


def test_a_running_mean_is_that_of_the_last_losses_and_of_fewer_at_the_beginning():
    losses = np.array([[8.0, 4, 0, 4, 8]])
    assert running(losses, 1).tolist() == losses.tolist()
    assert running(losses, 3).tolist() == [[8, 6, 4, 8 / 3, 4]]
    with pytest.raises(ValueError, match="at least one loss"):
        running(losses, 0)


def test_one_bad_loss_spoils_a_running_mean_no_longer_than_it_is_in_it():
    found = running(np.array([[1.0, inf, 1, 1]]), 2)
    assert found.tolist() == [[1, inf, inf, 1]]


@given(st.floats(1e-6, 1e6), st.floats(FLOOR, 1), st.floats(1e-3, 1e3))
def test_a_target_is_half_of_the_way_in_the_logarithm_in_every_unit(start, share, unit):
    (target,) = targets(np.array([start]), np.array([share * start]))
    assert target == pytest.approx((start * share * start) ** 0.5)
    assert targets(np.array([unit * start]), np.array([unit * share * start]))[0] == pytest.approx(unit * target)


def test_where_losses_fall_in_a_straight_line_half_the_speed_arrives_at_the_end():
    t = np.arange(101)
    best, half, slower = (np.exp(-rate * t)[None] for rate in (0.1, 0.05, 0.049))
    goal = targets(best[:, 0], best.min(1)) * (1 + 1e-12)
    assert [float(arrivals(run, goal)[0]) for run in (best, half, slower)] == [50, 100, inf]


def test_no_target_asks_for_more_than_single_precision_has():
    assert targets(np.array([4.0]), np.array([0.0])) == pytest.approx(4 * FLOOR**0.5)


@pytest.mark.parametrize(("start", "best"), [(1.0, 2.0), (0.0, 0.0), (1.0, -1.0), (nan, 0.5), (1.0, nan), (inf, 1.0)])
def test_what_has_no_way_down_has_no_target(start, best):
    with pytest.raises(ValueError, match="a target lies between"):
        targets(np.array([start]), np.array([best]))
