"""The oracles, and what a rule is told."""

import pytest
import torch
from conformance import TASKS, assert_same, make, phi_of, problems_of, seeded

from l2l_core import Unroll, evaluate, first_order, second_order
from l2l_core.metagrad import draw
from l2l_core.rules import SGD
from l2l_core.tasks import Quadratic
from l2l_core.tree import leaves, map_tree, stack
from l2l_core.unroll import gradients

both_tasks = pytest.mark.parametrize("task", TASKS)
both_oracles = pytest.mark.parametrize("oracle", [first_order, second_order])


def point(task):
    problem = problems_of(TASKS[task](), 1)[0]
    return problem.loss, problem.params, map_tree(lambda d: d[0], problem.batches(1, seeded(1)))


@both_tasks
@both_oracles
def test_an_oracle_gives_autograds_gradient_and_the_loss(task, oracle):
    loss, params, batch = point(task)
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    value = loss(leaves, batch)
    expected = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    grad, found = oracle(loss, params, batch)
    torch.testing.assert_close(list(grad.values()), list(expected))
    torch.testing.assert_close(found, value.detach())


@both_tasks
def test_first_order_leaves_the_loss_in_the_graph_and_the_gradient_out(task):
    loss, params, batch = point(task)
    params = {name: p.clone().requires_grad_() for name, p in params.items()}
    for oracle, through in ((first_order, False), (second_order, True)):
        grad, value = oracle(loss, params, batch)
        assert value.requires_grad
        assert any(g.requires_grad for g in grad.values()) == through
    with torch.no_grad():
        assert not first_order(loss, params, batch)[1].requires_grad


@both_tasks
@pytest.mark.parametrize("b", [1, 3])
def test_the_gradients_of_many_are_those_of_each(task, b):
    problems = problems_of(TASKS[task](), b)
    batch = map_tree(lambda d: d[:, 0], draw(problems, 1, seeded(1)))
    found = gradients(problems[0].loss, stack([p.params for p in problems]), batch)
    for i, problem in enumerate(problems):
        grad, value = first_order(problem.loss, problem.params, map_tree(lambda d, i=i: d[i], batch))
        mine = map_tree(lambda leaf, i=i: leaf[i], found)
        assert_same(mine, (grad, value), rtol=1e-10, atol=1e-12)
    assert not any(leaf.requires_grad for leaf in leaves(found))


@pytest.mark.parametrize("b", [1, 2])
def test_a_loss_that_is_not_one_number_is_refused(b):
    x = torch.zeros(b, 3)
    with pytest.raises(ValueError, match=r"one number an optimizee, got shape \[3\]"):
        gradients(lambda params, batch: (params["x"] - batch).square(), {"x": x}, x)


@pytest.mark.parametrize("b", [1, 3])
def test_an_update_that_is_one_number_for_a_tensor_is_refused(b):
    """Broadcast over three optimizees of three coordinates, each would get the others' numbers."""

    class Lazy(SGD):
        def update_many(self, phi, signal, state, params):
            return {name: -g.mean(1) for name, g in signal.grad.items()}, state

    with pytest.raises(ValueError, match=r"^an update has the shape of its parameter, \[3\], got \[\]$"):
        evaluate(Lazy(0.1), Quadratic(3), b, 2)


@both_oracles
def test_a_rule_is_told_the_step_the_horizon_the_loss_and_the_gradient(oracle):
    told = []

    class Curious(SGD):
        def update_many(self, phi, signal, state, params):
            told.append(signal)
            return super().update_many(phi, signal, state, params)

    task, rule = TASKS["quadratic"](), Curious(0.1)
    problems, unroll = problems_of(task, 2), Unroll(rule, 7, oracle)
    first = map_tree(lambda d: d[:, 0], draw(problems, 1, seeded()))
    carry = unroll.start(phi_of(rule), task.loss, stack([p.params for p in problems]), first)
    losses, _ = unroll(phi_of(rule), task.loss, carry, draw(problems, 3, seeded()))
    assert [(signal.step, signal.horizon) for signal in told] == [(0, 7), (1, 7), (2, 7)]
    for t, signal in enumerate(told):
        assert signal.loss.equal(losses[:, t])


def test_t_steps_visit_one_point_more():
    task, rule = TASKS["quadratic"](), make("sgd")
    problems, unroll = problems_of(task, 2), Unroll(rule, 9)
    first = map_tree(lambda d: d[:, 0], draw(problems, 1, seeded()))
    carry = unroll.start(phi_of(rule), task.loss, stack([p.params for p in problems]), first)
    for steps in (0, 1, 5):
        losses, end = unroll(phi_of(rule), task.loss, carry, draw(problems, steps, seeded()))
        assert losses.shape == (2, steps + 1)
        assert end.step == steps
        torch.testing.assert_close(losses[:, -1], end.loss)
