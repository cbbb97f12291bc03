"""Reflection, weights left out, memories that end, division into groups."""

import pytest
import torch
from conformance import TASKS, assert_same, begun, by_rank, phi_of, seeded, small_lstm
from hypothesis import given
from hypothesis import strategies as st

from l2l_core import LogSign, Signal
from l2l_core.metagrad import draw, graph_free_window
from l2l_core.rules import SGD, Adam, Forgetful, Grouped, Momentum, Reflected, Without
from l2l_core.unroll import Unroll

X = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(3), "gain": torch.tensor(2.0)}


def first(rule, grads):
    return rule.update(Signal(grads, None, 0, 10), rule.init(grads), grads)


def times(signs, tree):
    return {name: signs[name] * p for name, p in tree.items()}


def test_signs_are_signs_and_belong_to_seed_name_and_shape():
    signs = Reflected(SGD(1), seed=1).init(X).signs
    assert all(s.abs().eq(1).all() for s in signs.values())
    assert [(s.shape, s.dtype) for s in signs.values()] == [(p.shape, p.dtype) for p in X.values()]
    wide = {"x": torch.zeros(400), "y": torch.zeros(400)}
    one, other = (Reflected(SGD(1), seed).init(wide).signs for seed in (1, 2))
    assert not one["x"].equal(one["y"])
    assert not one["x"].equal(other["x"])
    assert abs(float(one["x"].mean())) < 0.2
    assert_same(Reflected(SGD(1), 1).init({"x": wide["x"]}).signs["x"], one["x"])


def test_signs_do_not_touch_any_generator():
    before = torch.get_rng_state()
    Reflected(SGD(1)).init(X)
    assert torch.get_rng_state().equal(before)


def test_a_reflected_rule_walks_the_mirrored_problem_and_mirrors_it_back():
    inner = small_lstm(features=LogSign())
    rule = Reflected(inner, seed=4)
    update, state = first(rule, X)
    mirrored, memory = first(inner, times(state.signs, X))
    assert_same(update, times(state.signs, mirrored))
    assert_same(state.inner, memory)


@given(st.integers(0, 2**31))
def test_reflection_leaves_an_odd_rule_as_it_is(seed):
    assert_same(first(Reflected(Adam(0.1), seed), X)[0], first(Adam(0.1), X)[0])


def test_reflection_mirrors_what_a_rule_sees_of_the_parameters_too():
    class Decay(SGD):
        def update(self, signal, state, params):
            return {name: -g - params[name] for name, g in signal.grad.items()}, state

    grads = {name: p + 1 for name, p in X.items()}
    signal = Signal(grads, None, 0, 10)
    one, other = (rule.update(signal, rule.init(X), X)[0] for rule in (Reflected(Decay(1), 2), Decay(1)))
    assert_same(one, other)


def test_a_constant_drift_cancels_under_reflection():
    # a rule that adds 1 to every coordinate whatever it sees
    rule = small_lstm()
    with torch.no_grad():
        rule.readout.weight.zero_()
        rule.readout.bias.fill_(1)
    x = {"x": torch.zeros(10_000)}
    drift = first(rule, x)[0]["x"]
    assert drift.mean().item() == pytest.approx(0.3)
    assert abs(first(Reflected(rule), x)[0]["x"].mean().item()) < 0.02


def zeroed():
    """A rule whose read-out bias is a weight that happens to be zero, and the same weights without the weight."""
    torch.manual_seed(1)
    with_zero = small_lstm(features=LogSign()).double()
    torch.manual_seed(1)
    without = Without(small_lstm(features=LogSign()), "readout.bias").double()
    torch.nn.init.zeros_(with_zero.readout.bias)
    return with_zero, without


def test_a_weight_left_out_is_a_weight_of_zero_that_is_no_part_of_phi():
    with_zero, without = zeroed()
    names = [f"rule.{name}" for name in phi_of(with_zero) if name != "readout.bias"]
    assert list(phi_of(without)) == names == list(without.state_dict())
    grads = {name: p.double() for name, p in X.items()}
    assert_same(first(without, grads), first(with_zero, grads))


def test_the_meta_gradient_without_a_weight_is_the_same_for_all_others():
    results = []
    for rule in zeroed():
        unroll, carry, problems = begun(rule, TASKS["network"](), 2)
        window = graph_free_window(unroll, phi_of(rule), problems[0].loss, carry, draw(problems, 3, seeded(4)))
        results.append(window[0].grad)
    expected, found = results
    assert float(expected.pop("readout.bias").abs()) > 0
    assert_same(found, {f"rule.{name}": g for name, g in expected.items()}, rtol=1e-12, atol=0)


def test_only_a_weight_that_is_there_can_be_left_out():
    with pytest.raises(ValueError, match=r"no weight 'bias'; it has cells\.0\.weight_ih, "):
        Without(small_lstm(), "bias")


def test_a_forgetful_momentum_begins_again_with_the_gradient_alone():
    rule, params = Forgetful(Momentum(1.0, 0.5), every=3), {"x": torch.zeros(1)}
    state, updates = rule.init(params), []
    for step in range(7):
        update, state = rule.update(Signal({"x": torch.ones(1)}, None, step, 10), state, params)
        updates.append(update["x"].item())
    assert updates == [-1, -1.5, -1.75, -1, -1.5, -1.75, -1]


def test_a_memory_that_outlasts_the_run_is_the_inner_rules():
    unroll, carry, problems = begun(small_lstm().double(), TASKS["network"](), 2)
    data, results = draw(problems, 3, seeded(4)), []
    for rule in (unroll.rule, Forgetful(unroll.rule, every=10)):
        window = graph_free_window(Unroll(rule, 10), phi_of(rule), problems[0].loss, carry, data)
        results.append((window[0].losses, list(window[0].grad.values()), window[1].params))
    assert_same(results[1], results[0])


def test_a_memory_lasts_at_least_one_step():
    with pytest.raises(ValueError, match="at least one step, got every = 0"):
        Forgetful(small_lstm(), 0)


def test_each_group_is_updated_by_its_own_rule():
    rule = Grouped({"matrices": SGD(1), "others": SGD(10)}, by_rank)
    update, _ = first(rule, X)
    assert list(update) == list(X)
    assert_same(update, {name: -(1 if p.ndim == 2 else 10) * p for name, p in X.items()})


def test_a_rule_without_tensors_rests():
    rule = Grouped({"matrices": SGD(1), "others": small_lstm()}, by_rank)
    only = {"a.weight": X["a.weight"]}
    assert list(rule.init(only)) == ["matrices"]
    assert_same(first(rule, only)[0], first(SGD(1), only)[0])


def test_a_name_without_a_rule_is_refused():
    rule = Grouped({"conv": SGD(1)}, lambda name, shape: "dense")
    with pytest.raises(KeyError, match=r"'a.weight' is assigned to 'dense'; there are rules for \['conv'\]"):
        rule.init(X)
