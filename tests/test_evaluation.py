"""Curves on problems that are the same for every rule."""

import pytest
import torch
from conformance import TASKS, assert_same, make, network
from hypothesis import given
from hypothesis import strategies as st

from l2l_core import RULES, Task, at, evaluate
from l2l_core.evaluation import PIECE, generator, snapshots
from l2l_core.rules import SGD
from l2l_core.tasks import Quadratic
from l2l_core.tree import map_tree

both_tasks = pytest.mark.parametrize("task", TASKS)


class Watched(Task):
    """A task that remembers what it drew."""

    def __init__(self, task):
        self.task, self.drawn = task, []

    def sample(self, gen):
        problem = self.task.sample(gen)

        def batches(steps, gen):
            drawn = problem.batches(steps, gen)
            self.drawn.append((problem.params, drawn))
            return drawn

        return problem._replace(batches=batches)


@both_tasks
def test_rules_are_compared_on_the_same_problems_starts_and_minibatches(task):
    drawn = []
    for name in ("sgd", "lstm"):
        watched = Watched(TASKS[task]())
        curves = evaluate(make(name), watched, 3, PIECE + 5, seed="test")
        drawn.append((curves[:, 0], watched.drawn))
    assert_same(*drawn)
    assert drawn[0][0].unique().numel() == 3


@both_tasks
def test_another_seed_gives_other_problems_and_the_same_seed_the_same(task):
    one, again, other = (evaluate(SGD(0.05), TASKS[task](), 3, 5, seed=seed) for seed in ("a", "a", "b"))
    assert one.equal(again)
    assert not set(one[:, 0].tolist()) & set(other[:, 0].tolist())


@both_tasks
@pytest.mark.parametrize("name", ["adam", "lstm-log-sign", "lstm-reflected"])
def test_running_in_chunks_does_not_change_a_curve(task, name):
    whole, chunked = (evaluate(make(name), TASKS[task](), 5, 8, coordinates=c) for c in (10**6, 1))
    torch.testing.assert_close(whole, chunked, rtol=1e-10, atol=1e-12)


@both_tasks
def test_problems_can_be_run_piece_by_piece(task):
    whole = evaluate(make("adam"), TASKS[task](), 5, 8, seed="a")
    pieces = [evaluate(make("adam"), TASKS[task](), n, 8, seed="a", first=k) for k, n in ((0, 2), (2, 3))]
    torch.testing.assert_close(whole, torch.cat(pieces), rtol=1e-10, atol=1e-12)


@both_tasks
def test_fewer_problems_and_fewer_steps_are_the_first_of_more(task):
    more = evaluate(SGD(0.05), TASKS[task](), 4, 2 * PIECE + 3)
    fewer = evaluate(SGD(0.05), TASKS[task](), 2, PIECE + 1)
    torch.testing.assert_close(more[:2, : PIECE + 2], fewer, rtol=1e-12, atol=1e-14)


def test_a_curve_is_the_loss_along_plain_gradient_descent():
    task = Quadratic(3, dtype=torch.float64)
    curves = evaluate(SGD(0.1), task, 2, 30, seed="x")
    for i, curve in enumerate(curves):
        problem = task.sample(generator("problem", "x", i))
        batch = tuple(d[0] for d in problem.batches(1, None))
        theta = problem.params
        for value in curve:
            torch.testing.assert_close(task.loss(theta, batch), value)
            theta = {"theta": theta["theta"] - 0.1 * torch.func.grad(task.loss)(theta, batch)["theta"]}


def test_phi_replaces_the_weights_of_the_rule():
    phi = {"lr": torch.tensor(0.2, dtype=torch.float64)}
    assert evaluate(SGD(0.1), network(), 2, 5, phi=phi).equal(evaluate(SGD(0.2), network(), 2, 5))


def test_a_schedule_is_told_the_number_of_steps_or_the_horizon_that_is_given():
    def curves(**horizon):
        return evaluate(RULES["adam-cosine"](0.1), Quadratic(3), 2, 10, **horizon)

    assert curves().equal(curves(horizon=10))
    assert not curves().equal(curves(horizon=20))
    assert curves(horizon=5)[:, 5:].unique(dim=1).shape[1] == 1  # it has come to rest


def test_curves_have_no_graph_and_the_global_generator_is_left_alone():
    rule, task = make("lstm"), network()
    before = torch.get_rng_state()
    assert not evaluate(rule, task, 2, 3).requires_grad
    assert torch.get_rng_state().equal(before)


@given(st.integers(0, 20), st.integers(1, 25))
def test_the_loss_at_a_step_is_the_mean_of_the_last_few(step, average):
    curves = torch.rand(3, 21, dtype=torch.float64)
    if average > step + 1:
        with pytest.raises(ValueError, match="no steps"):
            at(curves, step, average)
    else:
        mean = sum(curves[:, t] for t in range(step - average + 1, step + 1)) / average
        torch.testing.assert_close(at(curves, step, average), mean)


@pytest.mark.parametrize("step", [-1, 21, 100])
def test_a_step_that_was_not_taken_is_refused(step):
    with pytest.raises(ValueError, match=rf"no steps {step} … {step} in curves of 20 steps"):
        at(torch.zeros(3, 21), step)


def test_names_are_streams_of_chance():
    draws = {torch.rand((), generator=generator(*name)).item() for name in [("a", 1), ("a", 2), ("b", 1), ("a1",)]}
    assert len(draws) == 4
    assert torch.rand(3, generator=generator("a", 1)).equal(torch.rand(3, generator=generator("a", 1)))


@pytest.mark.parametrize("nothing", [dict(problems=0, steps=1), dict(problems=1, steps=0)])
def test_running_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="nothing to run"):
        evaluate(RULES["sgd"](0.1), Quadratic(3), **nothing)


@both_tasks
@pytest.mark.parametrize("name", ["adam", "lstm-log-sign"])
def test_snapshots_are_the_points_whose_losses_are_the_curve(task, name):
    task, marks = TASKS[task](), [0, 1, PIECE, PIECE + 3]
    curves = evaluate(make(name), task, 2, marks[-1], seed="s")
    for i, points in enumerate(snapshots(make(name), task, 2, marks, seed="s")):
        assert torch.is_grad_enabled()
        gen = generator("problem", "s", i)
        problem = task.sample(gen)
        stream = problem.batches(marks[-1] + 1, gen)
        for mark, point in zip(marks, points, strict=True):
            batch = map_tree(lambda d, mark=mark: d[mark], stream)
            torch.testing.assert_close(problem.loss(point, batch), curves[i, mark])


@pytest.mark.parametrize("horizon", [None, 3, 20])
def test_snapshots_of_a_schedule_are_taken_as_it_is_told(horizon):
    rule, task = RULES["adam-cosine"](0.1), Quadratic(3)
    curve = evaluate(rule, task, 1, 6, seed="s", horizon=horizon)[0]
    (points,) = snapshots(rule, task, 1, list(range(7)), seed="s", horizon=horizon)
    batch = map_tree(lambda d: d[0], task.sample(generator("problem", "s", 0)).batches(1, None))
    torch.testing.assert_close(torch.stack([task.loss(point, batch) for point in points]), curve)


@pytest.mark.parametrize("marks", [[], [-1], [0, 0], [5, 2]])
def test_snapshots_are_taken_in_order(marks):
    with pytest.raises(ValueError, match="steps to stop at must increase"):
        next(snapshots(SGD(0.1), Quadratic(3), 1, marks))
