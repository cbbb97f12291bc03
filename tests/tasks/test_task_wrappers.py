"""Tasks in other units, and with noise in their gradients."""

from math import log

import pytest
import torch
from conformance import TASKS, assert_same, network, phi_of, seeded

from l2l_core import RULES, Unroll, evaluate, first_order, second_order, tbptt
from l2l_core.metagrad import draw
from l2l_core.rules import SGD
from l2l_core.tasks import Quadratic
from l2l_core.tasks.wrappers import Noisy, RandomlyScaled, Scaled
from l2l_core.tree import map_tree, ravel, stack
from l2l_core.unroll import gradients

both_tasks = pytest.mark.parametrize("name", TASKS)


def gradient_and_loss(task, seed=0):
    """Of its first problem, at its start, on its first minibatch."""
    gen = seeded(seed)
    problem = task.sample(gen)
    batch = map_tree(lambda d: d[0], problem.batches(1, gen))
    grad, loss = torch.func.grad_and_value(problem.loss)(problem.params, batch)
    return ravel(grad), loss


@both_tasks
@pytest.mark.parametrize("factor", [1e-3, 1.0, 50.0])
def test_a_scaled_loss_has_the_scaled_gradient_at_the_same_start_on_the_same_minibatch(name, factor):
    grad, loss = gradient_and_loss(TASKS[name]())
    scaled_grad, scaled_loss = gradient_and_loss(Scaled(TASKS[name](), factor))
    torch.testing.assert_close(scaled_grad, factor * grad, rtol=1e-13, atol=0)
    torch.testing.assert_close(scaled_loss, factor * loss, rtol=1e-13, atol=0)


@both_tasks
@pytest.mark.parametrize("rule", ["sgd", "nag"])
def test_a_rule_linear_in_the_gradient_undoes_another_unit_by_its_rate(name, rule):
    factor, task = 8.0, TASKS[name]()
    plain = evaluate(RULES[rule](0.01), task, 2, 20)
    other = evaluate(RULES[rule](0.01 / factor), Scaled(task, factor), 2, 20)
    torch.testing.assert_close(other / factor, plain, rtol=1e-10, atol=0)
    same_rate = evaluate(RULES[rule](0.01), Scaled(task, factor), 2, 20) / factor
    assert not torch.allclose(same_rate[:, 1:], plain[:, 1:])


def test_adam_does_not_see_the_unit_but_for_its_epsilon():
    task = network()
    plain, other = (evaluate(RULES["adam"](0.05), t, 2, 20) for t in (task, Scaled(task, 8.0)))
    torch.testing.assert_close(other / 8, plain, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "wrap", [lambda t: Scaled(t, 2.0), lambda t: RandomlyScaled(t, 1, 10), lambda t: Noisy(t, 0.1)]
)
def test_problem_number_k_of_a_wrapper_is_number_k_of_what_it_wraps(wrap):
    class Numbered(Quadratic):
        def problem(self, k, gen):
            return self.sample(gen)._replace(params={"theta": torch.full((3,), float(k))})

    assert [float(wrap(Numbered(3)).problem(k, seeded()).params["theta"][0]) for k in range(3)] == [0, 1, 2]
    drawn, first = wrap(Quadratic(3)).sample(seeded()), wrap(Quadratic(3)).problem(0, seeded())
    assert_same(drawn.params, first.params)
    assert_same(drawn.batches(2, seeded()), first.batches(2, seeded()))


def test_random_units_are_log_uniform_one_a_problem():
    task = RandomlyScaled(Quadratic(3), 0.1, 1000.0)
    gen, factors = seeded(), []
    for _ in range(2000):
        problem = task.sample(gen)
        _, factor = problem.batches(3, gen)
        assert factor.unique().numel() == 1
        assert problem.weight * float(factor[0]) == pytest.approx(1)
        factors.append(log(float(factor[0])))
    factors = torch.tensor(factors)
    assert log(0.1) <= factors.min() < factors.max() <= log(1000)
    uniform = torch.distributions.Uniform(log(0.1), log(1000.0))
    assert abs(float(factors.mean() - uniform.mean)) < 4 * float(uniform.stddev) / 2000**0.5
    assert float(factors.std()) == pytest.approx(float(uniform.stddev), rel=0.05)


def test_a_unit_of_a_unit_weighs_one_over_both():
    task = RandomlyScaled(RandomlyScaled(Quadratic(3), 2.0, 2.0), 5.0, 5.0)
    problem = task.sample(seeded())
    batch = map_tree(lambda d: d[0], problem.batches(1, seeded(1)))
    plain = Quadratic(3).sample(seeded())
    expected = plain.loss(plain.params, map_tree(lambda d: d[0], plain.batches(1, seeded(1))))
    torch.testing.assert_close(problem.loss(problem.params, batch), 10 * expected)
    assert problem.weight == pytest.approx(0.1)


@both_tasks
@pytest.mark.parametrize("oracle", [first_order, second_order])
def test_a_weighted_problem_in_another_unit_asks_for_what_the_plain_one_asks(name, oracle):
    # SGD's step in unit c is c times as long: α in unit c is αc in the plain one, and d/dα is c d/d(αc)
    factor, task = 4.0, TASKS[name]()
    grads = []
    for one, lr in ((RandomlyScaled(task, factor, factor), 0.01), (task, 0.01 * factor)):
        rule = SGD(lr)
        estimator = tbptt(Unroll(rule, 4, oracle), one, 1, 4)
        gen = seeded()
        state = estimator.init(gen)
        if one is task:  # the same minibatches: the other task has drawn its unit
            problem = task.sample(gen)
            torch.rand((), generator=gen, dtype=torch.float64)
            first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
            carry = estimator.unroll.start(phi_of(rule), problem.loss, stack([problem.params]), first)
            state = state._replace(problems=[problem], carry=carry)
        estimate, _ = estimator.step(phi_of(rule), state)
        grads.append(estimate.grad["lr"])
    torch.testing.assert_close(grads[0], factor * grads[1], rtol=1e-10, atol=0)


def test_noise_has_mean_zero_and_its_share_of_the_gradients_square():
    task, std = network(), 2.0
    exact, value = gradient_and_loss(task)
    problem = Noisy(task, std).sample(seeded())
    batch = task.sample(gen := seeded()).batches(1, gen)[0]
    draws = {k: torch.randn(4000, *p.shape, generator=seeded(9), dtype=p.dtype) for k, p in problem.params.items()}
    grads, values = torch.vmap(torch.func.grad_and_value(problem.loss), (None, (None, 0)))(
        problem.params, (batch, draws)
    )
    assert_same(values, value.expand(4000), rtol=1e-12, atol=0)
    grads = torch.vmap(ravel)(grads)
    rms = exact.square().mean().sqrt()
    assert (grads.mean(0) - exact).abs().max() < 5 * std * rms / 4000**0.5
    torch.testing.assert_close(grads.std(0), (std * rms).expand_as(exact), rtol=0.1, atol=0)
    ratio = float(grads.square().sum(1).mean() / exact.square().sum())
    assert ratio == pytest.approx(1 + std**2, rel=0.05)


@both_tasks
def test_no_noise_is_no_change(name):
    assert_same(gradient_and_loss(Noisy(TASKS[name](), 0.0)), gradient_and_loss(TASKS[name]()))


@both_tasks
def test_noise_of_many_problems_at_once_is_that_of_each_alone(name):
    task, gen = Noisy(TASKS[name](), 1.0), seeded()
    problems = [task.sample(gen) for _ in range(3)]
    data = map_tree(lambda d: d[:, 0], draw(problems, 1, gen))
    params = stack([p.params for p in problems])
    together, values = gradients(problems[0].loss, params, data)
    for k, problem in enumerate(problems):
        alone, value = gradients(
            problem.loss, *(map_tree(lambda leaf, k=k: leaf[k : k + 1], tree) for tree in (params, data))
        )
        assert_same(map_tree(lambda leaf, k=k: leaf[k : k + 1], together), alone, rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(values[k : k + 1], value)


def test_all_rules_meet_the_same_noise():
    seen = []

    class Watched(SGD):
        def update_many(self, phi, signal, state, params):
            seen[-1].append(signal.grad["theta"])
            return super().update_many(phi, signal, state, params)

    # rates of 0 in effect: both stay where they are, so that only their noise could differ
    for lr in (1e-300, 2e-300):
        seen.append([])
        evaluate(Watched(lr), Noisy(Quadratic(3, dtype=torch.float64), 1.0), 1, 5, seed="noise")
    assert_same(*seen)
    assert not seen[0][0].equal(seen[0][1])


@pytest.mark.parametrize(
    "wrong", [lambda t: Scaled(t, 0.0), lambda t: RandomlyScaled(t, 2.0, 1.0), lambda t: Noisy(t, -1.0)]
)
def test_units_and_deviations_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match=r"a unit is positive|units are positive|is not negative"):
        wrong(Quadratic(3))


def test_a_wrapped_task_names_the_data_of_the_inner_one():
    class Named(Quadratic):
        source = "somewhere"

    assert Scaled(Noisy(Named(), 1.0), 2.0).source == "somewhere"
    assert Scaled(Quadratic(), 2.0).source == "generated"
