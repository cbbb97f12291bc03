"""A rule made odd answers a mirrored problem with the mirrored update, and says nothing where there is no gradient."""

import pytest
import torch
from conformance import TASKS, assert_same, phi_of, seeded, small_lstm
from torch import nn

from l2l_core import LogSign, Rule, Signal
from l2l_core.metagrad import autograd_window, draw, graph_free_window
from l2l_core.rules import Adam, Odd, Reflected
from l2l_core.tree import map_tree, stack
from l2l_core.unroll import Unroll

STEPS = 5


def walk(rule, gradients):
    """The updates along a sequence of gradients of one tensor."""
    params = {"x": torch.zeros_like(gradients[0])}
    state, updates = rule.init(params), []
    for t, g in enumerate(gradients):
        update, state = rule.update(Signal({"x": g}, None, t, STEPS), state, params)
        updates.append(update["x"])
        params = {"x": params["x"] + update["x"]}
    return torch.stack(updates)


@pytest.fixture
def inner():
    torch.manual_seed(2)
    return small_lstm(features=LogSign()).double()


@pytest.fixture
def gradients():
    return torch.randn(STEPS, 7, generator=seeded(), dtype=torch.float64)


def test_a_mirrored_problem_is_answered_with_the_mirrored_update_bit_by_bit(inner, gradients):
    found = walk(Odd(inner), gradients)
    assert walk(Odd(inner), -gradients).equal(-found)
    assert not torch.allclose(walk(inner, -gradients), -walk(inner, gradients))


def test_it_is_the_odd_part_of_the_rule(inner, gradients):
    expected = (walk(inner, gradients) - walk(inner, -gradients)) / 2
    torch.testing.assert_close(walk(Odd(inner), gradients), expected, rtol=1e-12, atol=0)


def test_without_a_gradient_nothing_is_added(inner, gradients):
    assert not walk(Odd(inner), torch.zeros_like(gradients)).any()
    assert walk(inner, torch.zeros_like(gradients)).any()


def test_the_read_out_bias_does_not_matter(inner, gradients):
    before = walk(Odd(inner), gradients)
    inner.readout.bias.data += 100
    torch.testing.assert_close(walk(Odd(inner), gradients), before, rtol=1e-9, atol=1e-9)


def test_reflection_changes_nothing_any_more(inner, gradients):
    assert_same(walk(Reflected(Odd(inner), seed=3), gradients), walk(Odd(inner), gradients))


def test_a_rule_that_is_odd_stays_as_it_is(gradients):
    assert_same(walk(Odd(Adam(0.1)), gradients), walk(Adam(0.1), gradients))


def test_the_mirror_image_has_mirrored_parameters_too(gradients):
    class Decay(Adam):
        def update(self, signal, state, params):
            return {name: -g - params[name] for name, g in signal.grad.items()}, state

    assert_same(walk(Odd(Decay(0.1)), gradients), walk(Decay(0.1), gradients))


def test_the_read_out_bias_has_no_meta_gradient():
    rule, task = Odd(small_lstm(features=LogSign())).double(), TASKS["network"]()
    gen, phi = seeded(), phi_of(rule)
    problem, unroll = task.sample(gen), Unroll(rule, STEPS)
    data = draw([problem], STEPS + 1, gen)
    first, rest = (map_tree(lambda d, part=part: d[:, part], data) for part in (0, slice(1, None)))
    carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
    grad = graph_free_window(unroll, phi, problem.loss, carry, rest)[0].grad
    assert grad["rule.readout.bias"].abs().max() < 1e-12 * grad["rule.readout.weight"].abs().max()


class Leaning(Rule):
    """A rule that looks at θ: g = −w(∇ + θ)²."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.1, dtype=torch.float64))

    def init(self, params):
        return ()

    def update(self, signal, state, params):
        return {name: -self.w * (g + params[name]) ** 2 for name, g in signal.grad.items()}, state


def test_on_the_way_back_the_mirror_image_has_mirrored_parameters_too():
    rule, task = Odd(Leaning()), TASKS["network"]()
    gen, phi = seeded(), phi_of(rule)
    problem, unroll = task.sample(gen), Unroll(rule, STEPS)
    data = draw([problem], STEPS + 1, gen)
    first, rest = (map_tree(lambda d, part=part: d[:, part], data) for part in (0, slice(1, None)))
    carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
    found, expected = (
        window(unroll, phi, problem.loss, carry, rest)[0].grad for window in (graph_free_window, autograd_window)
    )
    assert_same(found, expected, rtol=1e-9, atol=1e-12)
