"""A rule whose steps are all known leans by what is added to its read-out bias, and its weights grow by as much."""

import pytest
import torch
from conformance import small_lstm

from l2l_core import evaluate
from l2l_core.evaluation import generator
from l2l_core.metagrad import draw
from l2l_core.readout_bias import LAST, leaning, measure, shifted
from l2l_core.rules import SGD, Grouped, Reflected
from l2l_core.tasks import Quadratic
from l2l_core.tree import map_tree, stack
from l2l_core.unroll import Unroll

TASK = Quadratic(4, start_std=0.0, scale=0.0)  # no gradient, and a start at zero


def still():
    """A rule that proposes nothing, whatever it sees; its scale is 0.3."""
    rule = Reflected(small_lstm())
    for w in rule.parameters():
        w.data.zero_()
    return rule


@pytest.mark.parametrize("offset", [-0.02, 0.0, 0.01])
def test_a_rule_leans_by_scale_times_its_bias_and_weights_grow_linearly(offset):
    marks = [20, 60, 200]
    found = leaning(shifted(still(), offset), TASK, marks)
    assert found["step"] == marks
    assert found["lean"] == pytest.approx([0.3 * offset] * 3, rel=1e-3)
    assert found["update"] == pytest.approx([0.3 * abs(offset)] * 3, rel=1e-3)
    assert found["weights"] == pytest.approx([0.3 * abs(offset) * t for t in marks], rel=1e-3)


def test_mirrored_coordinates_do_not_hide_a_lean():
    rule = shifted(still(), 0.01)
    params = {"x": torch.zeros(1000)}
    signs = rule.init(params).signs["x"]
    assert signs.sum().abs() < 100  # so that the mean of g itself is near zero, about 1 % of its size ...
    task = Quadratic(1000, start_std=0.0, scale=0.0)
    assert leaning(rule, task, [20])["lean"] == pytest.approx([0.003], rel=1e-3)  # ... and that of s ⊙ g is not


@torch.no_grad()
def test_the_losses_are_means_of_the_last_steps_to_a_mark():
    rule, task = Reflected(SGD(0.01)), Quadratic(4, start_std=1.0)
    gen = generator("read-out bias", 3)
    problem = task.sample(gen)
    unroll = Unroll(rule, 45)
    first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
    carry = unroll.start({}, problem.loss, stack([problem.params]), first)
    losses, _ = unroll({}, problem.loss, carry, draw([problem], 45, gen))
    found = leaning(rule, task, [25, 45], seed=3)
    expected = [float(losses[0, t - LAST + 1 : t + 1].mean()) for t in (25, 45)]
    assert found["loss"] == pytest.approx(expected, rel=1e-3)


def test_the_copy_is_shifted_in_every_read_out_and_nowhere_else():
    rule = Grouped({"kernels": small_lstm(), "rest": small_lstm()}, lambda name, shape: "rest")
    moved = shifted(rule, 0.5)
    for (name, w), v in zip(rule.named_parameters(), moved.parameters(), strict=True):
        torch.testing.assert_close(v - w, torch.full_like(w, 0.5 if name.endswith("readout.bias") else 0.0))


def test_no_offset_is_the_rule_itself_and_all_offsets_see_one_problem():
    torch.manual_seed(0)
    rule, task = Reflected(small_lstm()), Quadratic(4)
    zero, again = measure(rule, task, [20], offsets=(0.0, 0.0))
    assert zero == again
    assert zero["offset"] == 0
    assert zero["loss"] != measure(rule, task, [20], offsets=(0.3,))[0]["loss"]
    assert evaluate(shifted(rule, 0.0), task, 1, 20).equal(evaluate(rule, task, 1, 20))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="no read-out bias; it has"):
        shifted(SGD(0.1), 0.1)
    with pytest.raises(ValueError, match="increase from 20"):
        leaning(still(), TASK, [10])
    with pytest.raises(ValueError, match="increase from 20"):
        leaning(still(), TASK, [40, 30])
    with pytest.raises(ValueError, match="coordinate system of its own, got CoordinatewiseLSTM"):
        leaning(small_lstm(), TASK, [20])
