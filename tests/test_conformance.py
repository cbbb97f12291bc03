"""Invariants of every rule, on a quadratic and on a network with parameters of every shape."""

import pytest
import torch
from conformance import EVERY_RULE, HORIZON, TASKS, assert_same, begun, make, phi_of, problems_of, seeded
from torch.utils._pytree import tree_structure

from l2l_core import Rule, RuleOptimizer, Signal, Unroll
from l2l_core.metagrad import draw
from l2l_core.store import load_tensors, save_tensors
from l2l_core.tree import leaves, map_tree, stack
from l2l_core.zoo import with_weights

every_rule = pytest.mark.parametrize("name", EVERY_RULE)
both_tasks = pytest.mark.parametrize("task", TASKS)


def one_step(name, task):
    """A rule, θ, a signal at θ, and a state that has seen two gradients."""
    rule = make(name)
    problem, gen = TASKS[task]().sample(seeded()), seeded(1)
    params = problem.params
    state = rule.init(params)
    for step in range(3):
        batch = map_tree(lambda d: d[0], problem.batches(1, gen))
        grad, loss = torch.func.grad_and_value(problem.loss)(params, batch)
        signal = Signal(grad, loss, step, HORIZON)
        if step < 2:
            update, state = rule.update(signal, state, params)
            params = map_tree(torch.add, params, map_tree(torch.Tensor.detach, update))
            state = map_tree(torch.Tensor.detach, state)
    return rule, params, signal, state


@every_rule
@both_tasks
def test_an_update_has_the_names_shapes_and_dtype_of_the_parameters(name, task):
    rule, params, signal, state = one_step(name, task)
    update, _ = rule.update(signal, state, params)
    assert list(update) == list(params)
    assert [(u.shape, u.dtype) for u in update.values()] == [(p.shape, p.dtype) for p in params.values()]


@every_rule
@both_tasks
def test_a_rule_is_pure(name, task):
    rule, params, signal, state = one_step(name, task)
    before = map_tree(torch.clone, (params, signal.grad, state, dict(rule.named_parameters())))
    first, again = (rule.update(signal, state, params) for _ in range(2))
    assert_same(first, again)
    assert_same(rule.init(params), rule.init(params))
    assert_same(before, (params, signal.grad, state, dict(rule.named_parameters())))


@every_rule
@both_tasks
def test_a_state_keeps_its_structure_shapes_and_dtypes(name, task):
    rule, params, signal, state = one_step(name, task)
    _, after = rule.update(signal, state, params)
    for later in (state, after):
        assert tree_structure(later) == tree_structure(rule.init(params))
        assert [(s.shape, s.dtype) for s in leaves(later)] == [(s.shape, s.dtype) for s in leaves(rule.init(params))]


def only(i, tree):
    """The i-th of many optimizees, still with a task axis."""
    return map_tree(lambda leaf: leaf[i : i + 1] if isinstance(leaf, torch.Tensor) else leaf, tree)


@every_rule
@both_tasks
def test_many_optimizees_at_once_walk_as_each_does_alone(name, task):
    task = TASKS[task]()
    unroll, carry, problems = begun(make(name), task, b=3)
    phi, data = phi_of(unroll.rule), draw(problems, HORIZON, seeded(9))
    together, end = unroll(phi, task.loss, carry, data)
    for i in range(3):
        alone, end_alone = unroll(phi, task.loss, only(i, carry), only(i, data))
        torch.testing.assert_close(together[i], alone[0], rtol=1e-12, atol=1e-12)
        assert_same(only(i, end), end_alone, rtol=1e-12, atol=1e-12)


@every_rule
@both_tasks
@pytest.mark.parametrize("step", [3, 4])
def test_an_update_of_many_is_that_of_each(name, task, step):
    unroll, carry, _ = begun(make(name), TASKS[task](), b=3)
    rule, signal = unroll.rule, unroll.signal(carry)._replace(step=step)
    args = phi_of(rule), signal, carry.state, carry.params
    assert_same(rule.update_many(*args), Rule.update_many(rule, *args), rtol=1e-10, atol=1e-12)


@every_rule
@both_tasks
def test_the_torch_optimizer_walks_as_the_unroll_does(name, task):
    rule, problem, gen = make(name), TASKS[task]().sample(seeded()), seeded(4)
    data = problem.batches(HORIZON + 1, gen)
    unroll = Unroll(rule, HORIZON)
    first, rest = map_tree(lambda d: d[:1], data), map_tree(lambda d: d[None, 1:], data)
    with torch.no_grad():
        carry = unroll.start(phi_of(rule), problem.loss, stack([problem.params]), first)
        losses, carry = unroll(phi_of(rule), problem.loss, carry, rest)

    params = {name: p.clone().requires_grad_() for name, p in problem.params.items()}
    optimizer = RuleOptimizer(params.items(), rule, horizon=HORIZON)
    for t in range(HORIZON + 1):
        loss = problem.loss(params, map_tree(lambda d, t=t: d[t], data))
        torch.testing.assert_close(loss.detach(), losses[0, t], rtol=1e-12, atol=1e-12)
        if t < HORIZON:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert_same(map_tree(lambda p: p.detach()[None], params), carry.params, rtol=1e-12, atol=1e-12)


@every_rule
def test_weights_that_were_saved_and_loaded_give_the_same_updates(name, tmp_path):
    rule, params, signal, state = one_step(name, "network")
    save_tensors(tmp_path / "phi.safetensors", dict(rule.named_parameters()), {"rule": name})
    weights, facts = load_tensors(tmp_path / "phi.safetensors")
    fresh = make(name)
    with torch.no_grad():
        for w in fresh.parameters():
            w.zero_()
    assert facts == {"rule": name}
    assert_same(with_weights(fresh, weights, "here").update(signal, state, params), rule.update(signal, state, params))


@every_rule
def test_a_problem_does_not_depend_on_those_beside_it(name):
    task = TASKS["network"]()
    few, many = (problems_of(task, b) for b in (2, 3))
    assert_same([p.params for p in few], [p.params for p in many[:2]])
