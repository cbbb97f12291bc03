"""What is noted along a long run, against rules whose every step is known."""

from math import exp

import pytest
import torch
from conformance import small_lstm

from l2l_core import LogSign, evaluate
from l2l_core.autopsy import ARMS, LAST, marks, shrinking, trace, treated
from l2l_core.rules import SGD, Reflected
from l2l_core.tasks import Quadratic

TASK = Quadratic(4, start_std=0.5)


def known(**weights):
    """A rule whose weights are zero but for those given."""
    rule = small_lstm(features=LogSign())
    for name, w in rule.named_parameters():
        w.data.fill_(weights.get(name.replace(".", "_"), 0.0))
    return rule


def test_marks_are_four_a_decade_and_the_end():
    assert marks(1000) == [10, 18, 32, 56, 100, 178, 316, 562, 1000]
    assert marks(250)[-2:] == [178, 250]
    assert marks(5) == [5]


def test_a_constant_step_drifts_persists_and_does_not_mind_a_gradient_of_zero():
    found = trace(known(readout_bias=0.01), TASK, 30)
    assert found["step"] == [10, 18, 30]
    assert all(len(values) == 3 for values in found.values())
    for key in ("update", "still"):
        assert found[key] == pytest.approx([0.003] * 3, rel=1e-2)  # the scale is 0.3
    assert found["drift"] == pytest.approx([1.0] * 3, rel=1e-3)
    assert found["persistence"][1:] == pytest.approx([1.0] * 2, rel=1e-3)
    assert found["saturated"] == [0.0] * 3


@pytest.mark.parametrize(("scale", "moving", "idle"), [(1.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_weights_with_and_without_a_gradient_are_measured_apart(scale, moving, idle):
    found = trace(known(readout_bias=0.01), Quadratic(4, start_std=0.0, scale=scale), 30)
    walked = [0.003 * (mark - (min(mark, LAST) + 1) / 2) for mark in found["step"]]  # the mean over the last points
    assert found["weights"] == pytest.approx([moving * w for w in walked], rel=2e-3)
    assert found["idle"] == pytest.approx([idle * w for w in walked], rel=2e-3)


def test_a_rule_that_stands_still_sees_the_same_function_for_ever():
    found = trace(known(readout_bias=1e-12), TASK, 20)
    assert len(set(found["loss"])) == 1
    assert len(set(found["gradient"])) == 1
    assert set(found["small"]) == {0.0}
    flat = trace(known(readout_bias=1e-12), Quadratic(4, scale=1e-9), 20)
    assert flat["gradient"][0] < exp(-10)
    assert set(flat["small"]) == {1.0}


def test_cells_that_only_add_up_saturate():
    # input gate, forget gate and candidate open: c grows by one a step, beyond 3 after three of them
    rule = known(readout_bias=1e-12)
    for cell in rule.cells:
        cell.bias.data.fill_(50.0)
    assert trace(rule, TASK, 30)["saturated"] == pytest.approx([0.6, 1.0, 1.0])


def test_a_reflected_rule_is_looked_into_as_well():
    drift = trace(Reflected(known(readout_bias=0.01)), Quadratic(400, start_std=0.1, scale=1e-3), 10)["drift"]
    assert abs(drift[0]) < 0.2


def test_a_rule_without_a_logarithm_is_refused():
    with pytest.raises(ValueError, match="only rules that see the logarithm of a gradient"):
        trace(small_lstm(), TASK, 10)
    with pytest.raises(ValueError, match="only a coordinatewise LSTM"):
        trace(SGD(0.1), TASK, 10)


def test_a_run_shorter_than_what_is_averaged_is_averaged_over_all_its_points():
    found = treated(known(readout_bias=1e-12), TASK, 5, 2)
    assert found["step"] == [5]
    standing_still = evaluate(SGD(1e-30), TASK, 2, 1, seed=("autopsy", 0))[:, 0].mean()
    assert [found[label] for label in ARMS] == [[pytest.approx(float(standing_still), rel=1e-3)]] * len(ARMS)
    with pytest.raises(ValueError, match="there is nothing to look into: steps = 0"):
        trace(known(), TASK, 0)


def test_steps_shrink_only_beyond_the_horizon():
    assert [shrinking(t, None) for t in (0, 99, 199, 9_999)] == [1.0, 1.0, 0.5, 0.01]


def test_treatments_change_nothing_within_the_horizon():
    rule = small_lstm(features=LogSign())
    found = treated(rule, TASK, 178, 2)
    assert set(found) == {"step", *ARMS}
    within = found["step"].index(100) + 1
    one, *others = (found[label] for label in ARMS)
    for other in others:
        assert other[:within] == one[:within]
        assert other[within:] != one[within:]


def test_what_is_averaged_is_the_end_of_what_came_before():
    torch.manual_seed(0)
    rule = small_lstm(features=LogSign())
    long, short = trace(rule, TASK, 40), trace(rule, TASK, 18)
    assert [values[:2] for values in long.values()] == [values[:2] for values in short.values()]
    assert LAST == 10
