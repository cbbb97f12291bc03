"""The coordinatewise LSTM: its weights, its symmetry, and its blocked backward pass."""

import pytest
import torch
from conformance import assert_same, phi_of, seeded
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from l2l_core import CoordinatewiseLSTM, LogSign, Rule, Signal
from l2l_core.lstm_blocks import BLOCK
from l2l_core.rules.lstm import LSTMState
from l2l_core.tree import map_tree


def weights(rule):
    return sum(w.numel() for w in rule.parameters())


def test_the_papers_rule_has_5061_weights_and_5141_with_preprocessing():
    assert weights(CoordinatewiseLSTM()) == 5061
    assert weights(CoordinatewiseLSTM(features=LogSign())) == 5141


@given(st.integers(1, 7), st.integers(1, 4), st.booleans())
def test_the_weights_are_those_of_the_cells_and_of_one_readout(hidden, depth, preprocessed):
    rule = CoordinatewiseLSTM(hidden, depth, features=LogSign() if preprocessed else None)
    inputs = [1 + preprocessed] + [hidden] * (depth - 1)
    assert weights(rule) == sum(4 * (f * hidden + hidden**2 + hidden) for f in inputs) + hidden + 1


def test_its_update_is_pytorchs_stacked_lstm_and_linear_layer():
    rule = CoordinatewiseLSTM(5, 2, features=LogSign(), scale=0.1).double()
    lstm = nn.LSTM(2, 5, 2).double()
    with torch.no_grad():
        for layer, cell in enumerate(rule.cells):
            getattr(lstm, f"weight_ih_l{layer}").copy_(cell.weight_ih)
            getattr(lstm, f"weight_hh_l{layer}").copy_(cell.weight_hh)
            getattr(lstm, f"bias_ih_l{layer}").copy_(cell.bias)
            getattr(lstm, f"bias_hh_l{layer}").zero_()
    gradients = torch.randn(7, 4, dtype=torch.float64)
    params = {"x": torch.zeros(4, dtype=torch.float64)}
    state, updates = rule.init(params), []
    for t, grad in enumerate(gradients):
        update, state = rule.update(Signal({"x": grad}, None, t, None), state, params)
        updates.append(update["x"])
    h, _ = lstm(rule.features(gradients))
    torch.testing.assert_close(torch.stack(updates), 0.1 * rule.readout(h).squeeze(-1), rtol=1e-12, atol=1e-12)


@given(st.permutations(range(6)))
def test_permuting_coordinates_permutes_updates(order):
    torch.manual_seed(0)
    rule, order = CoordinatewiseLSTM(4, features=LogSign()).double(), list(order)
    grads = torch.randn(3, 6, dtype=torch.float64)

    def walk(grads):
        params = {"x": torch.zeros(6, dtype=torch.float64)}
        state = rule.init(params)
        for t, grad in enumerate(grads):
            update, state = rule.update(Signal({"x": grad}, None, t, None), state, params)
        return update["x"]

    torch.testing.assert_close(walk(grads[:, order]), walk(grads)[order], rtol=1e-12, atol=1e-12)


def test_cutting_coordinates_into_tensors_does_not_change_their_updates():
    rule, grad = CoordinatewiseLSTM(4).double(), torch.randn(12, dtype=torch.float64)

    def first(**grads):
        return rule.update(Signal(grads, None, 0, None), rule.init(grads), grads)[0]

    one = first(x=grad)["x"]
    three = first(a=grad[:1].squeeze(), b=grad[1:7].view(2, 3), c=grad[7:])
    torch.testing.assert_close(torch.cat([u.reshape(-1) for u in three.values()]), one)


def window(n, steps, hidden=2, depth=2, b=2, seed=0):
    """A rule with a warm state, what it saw over a window of b·n coordinates, and what flows back."""
    gen = seeded(seed)

    def randn(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=gen)

    rule = CoordinatewiseLSTM(hidden, depth, features=LogSign(), scale=0.3).double()
    seen = [(Signal({"x": randn(b, n)}, randn(b), t, None), {"x": randn(b, n)}) for t in range(steps)]
    state = LSTMState(*(tuple(randn(b, n, hidden).tanh() for _ in range(depth)) for _ in "hc"))
    states = [state]
    with torch.no_grad():
        for signal, params in seen:
            states.append(rule.update_many(phi_of(rule), signal, states[-1], params)[1])
    return rule, seen, states, [{"x": randn(b, n)} for _ in range(steps)]


def assert_pullback_is_autograds(rule, seen, states, upstream):
    phi = phi_of(rule)
    before = map_tree(torch.clone, (seen[0][0].grad, states, upstream, phi))
    ours = rule.pullback(phi, seen, states, upstream)
    assert_same(ours, Rule.pullback(rule, phi, seen, states, upstream), rtol=1e-9, atol=1e-12)
    assert_same(before, (seen[0][0].grad, states, upstream, phi))
    return ours


def assert_unrecorded_steps_are_the_recorded(rule, seen, states, _):
    phi, state = phi_of(rule), states[0]
    assert torch.is_grad_enabled()
    for (signal, params), after in zip(seen, states[1:], strict=True):
        update, state = Rule.update_many(rule, phi, signal, state, params)
        assert_same(state, after, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        ours, _ = rule.update_many(phi, signal, states[-2], params)
    assert_same(ours, update, rtol=1e-10, atol=1e-12)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_steps_in_place_are_the_steps_of_the_cells(n, steps, hidden, depth, b):
    assert_unrecorded_steps_are_the_recorded(*window(n, steps, hidden, depth, b))


@pytest.mark.parametrize("n", [BLOCK // 2, BLOCK // 2 + 1, BLOCK + 3])
def test_they_are_however_many_blocks_there_are(n):
    assert_unrecorded_steps_are_the_recorded(*window(n, 3))


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_the_written_out_backward_pass_is_autograds(n, steps, hidden, depth, b):
    assert_pullback_is_autograds(*window(n, steps, hidden, depth, b))


@pytest.mark.parametrize("n", [BLOCK // 2, BLOCK // 2 + 1, BLOCK + 3])
def test_it_is_autograds_however_many_blocks_there_are(n):
    assert_pullback_is_autograds(*window(n, 3))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_coordinates_that_nothing_flows_back_to_are_skipped_exactly(share):
    rule, seen, states, upstream = window(BLOCK, 3)
    silent = torch.rand(2, BLOCK, generator=seeded(1)) < share
    for u in upstream:
        u["x"][silent] = 0
    upstream[0]["x"][:, 5] = 0  # silent at one step is not silent
    grads = assert_pullback_is_autograds(rule, seen, states, upstream)
    assert all(bool(grad.eq(0).all()) == (share == 1) for grad in grads.values())


def test_a_gradient_that_is_not_a_number_is_not_hidden():
    rule, seen, states, upstream = window(4, 3)
    upstream[1]["x"][0, 0] = torch.nan
    assert any(grad.isnan().any() for grad in rule.pullback(phi_of(rule), seen, states, upstream).values())


@pytest.mark.parametrize("nothing", [dict(hidden=0), dict(depth=0)])
def test_an_lstm_without_units_or_layers_is_refused(nothing):
    with pytest.raises(ValueError, match="at least one unit and one layer"):
        CoordinatewiseLSTM(**nothing)
