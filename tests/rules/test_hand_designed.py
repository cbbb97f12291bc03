"""Each hand-designed rule is the one in `torch.optim`, its memory included."""

from math import cos, pi

import pytest
import torch
from conformance import network, problems_of, seeded
from hypothesis import given
from hypothesis import strategies as st

from l2l_core import RULES, Signal
from l2l_core.rules import NAG, SGD, Adam, Momentum, RMSprop, Scheduled, constant, cosine
from l2l_core.rules.sgd import learning_rate
from l2l_core.tree import map_tree

LR, STEPS = 0.03, 50


def cosine_adam(params, lr):
    optimizer = torch.optim.Adam(params, lr)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: 0.5 * (1 + cos(pi * min(t, STEPS) / STEPS))
    )


ORACLES = {
    "sgd": (lambda p, lr: torch.optim.SGD(p, lr), lambda s: ()),
    "momentum": (lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9), lambda s: (s["momentum_buffer"],)),
    "nag": (lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True), lambda s: (s["momentum_buffer"],)),
    "rmsprop": (lambda p, lr: torch.optim.RMSprop(p, lr), lambda s: (s["square_avg"],)),
    "rmsprop-0.9": (lambda p, lr: torch.optim.RMSprop(p, lr, alpha=0.9), lambda s: (s["square_avg"],)),
    "adam": (lambda p, lr: torch.optim.Adam(p, lr), lambda s: (s["exp_avg"], s["exp_avg_sq"])),
    "adam-cosine": (cosine_adam, lambda s: (s["exp_avg"], s["exp_avg_sq"])),
}


def memories(state):
    """A rule's memory as one or two dictionaries, whatever it is called."""
    return (state,) if isinstance(state, dict) else tuple(state)


@pytest.mark.parametrize("name", ORACLES)
def test_a_rule_is_the_one_in_torch_optim_for_50_steps(name):
    oracle, memory_of = ORACLES[name]
    problem = problems_of(network(), 1)[0]
    data = problem.batches(STEPS, seeded(1))
    rule, params = RULES[name](LR), problem.params
    theirs = {key: p.clone().requires_grad_() for key, p in params.items()}
    optimizer, *scheduler = [made] if not isinstance(made := oracle(list(theirs.values()), LR), tuple) else made
    state = rule.init(params)
    with torch.no_grad():
        for t in range(STEPS):
            grad, loss = torch.func.grad_and_value(problem.loss)(params, data[t])
            update, state = rule.update(Signal(grad, loss, t, STEPS), state, params)
            params = map_tree(torch.add, params, update)
            with torch.enable_grad():
                optimizer.zero_grad()
                problem.loss(theirs, data[t]).backward()
            optimizer.step()
            for each in scheduler:
                each.step()
            for key, p in theirs.items():
                torch.testing.assert_close(params[key], p.detach(), rtol=1e-10, atol=1e-12)
                for ours, other in zip(memories(state), memory_of(optimizer.state[p]), strict=True):
                    torch.testing.assert_close(ours[key], other, rtol=1e-10, atol=1e-12)


def test_nag_visits_the_points_at_which_torch7_evaluates():
    # Torch7: x ← x + μ v to look ahead, v ← μ v − α ∇f(x), x ← x − α ∇f(x); losses are reported at the look-ahead
    matrix = torch.randn(4, 4, dtype=torch.float64)
    loss = lambda x: (matrix @ x - 1).square().sum()  # noqa: E731
    alpha, mu = 0.01, 0.9
    rule, ours = NAG(alpha), {"x": torch.zeros(4, dtype=torch.float64)}
    state = rule.init(ours)
    x, v = ours["x"], torch.zeros(4, dtype=torch.float64)
    with torch.no_grad():
        for t in range(STEPS):
            x = x + mu * v
            torch.testing.assert_close(ours["x"], x, rtol=1e-10, atol=1e-12)
            grad = torch.func.grad(loss)(x)
            x, v = x - alpha * grad, mu * v - alpha * grad
            signal = Signal({"x": torch.func.grad(loss)(ours["x"])}, None, t, STEPS)
            update, state = rule.update(signal, state, ours)
            ours = map_tree(torch.add, ours, update)


@pytest.mark.parametrize("rule", [SGD, Momentum, NAG, RMSprop, Adam])
@pytest.mark.parametrize("lr", [0, -1.0, float("nan")])
def test_a_learning_rate_must_be_positive(rule, lr):
    with pytest.raises(ValueError, match="a learning rate must be positive"):
        rule(lr)


def test_a_learning_rate_is_kept_in_double_precision():
    assert learning_rate(0.1).item() == 0.1


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("shape", [(), (3,), (0,)])
def test_single_precision_stays_single_under_vmap(name, shape):
    # a learning rate in double precision must not promote parameters that are single numbers
    rule, x = RULES[name](0.1), torch.zeros(2, *shape)
    phi = dict(rule.named_parameters())
    state = rule.start_many(phi, {"x": x})
    for t in range(2):
        update, state = rule.update_many(phi, Signal({"x": x + 1}, torch.zeros(2), t, 10), state, {"x": x})
        assert update["x"].dtype == torch.float32


@given(st.integers(0, 200), st.integers(1, 150))
def test_the_cosine_falls_from_one_to_zero_and_stays(step, horizon):
    assert cosine(0, horizon) == 1
    assert 0 <= cosine(step + 1, horizon) <= cosine(step, horizon) <= 1
    assert cosine(horizon + step, horizon) == pytest.approx(0, abs=1e-15)
    assert constant(step, None) == 1


def test_a_cosine_needs_to_know_the_horizon():
    x = {"x": torch.ones(2)}
    rule = RULES["adam-cosine"](0.1)
    with pytest.raises(ValueError, match="needs the horizon"):
        rule.update(Signal(x, None, 0, None), rule.init(x), x)


def test_a_schedule_multiplies_the_update_and_leaves_the_memory():
    x = {"x": torch.ones(2, dtype=torch.float64)}
    plain, half = Adam(0.1), Scheduled(Adam(0.1), lambda step, horizon: 0.5)
    (update, state), (halved, same) = (r.update(Signal(x, None, 0, None), r.init(x), x) for r in (plain, half))
    torch.testing.assert_close(halved["x"], 0.5 * update["x"])
    torch.testing.assert_close(state, same)
