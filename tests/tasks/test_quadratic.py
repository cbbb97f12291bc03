"""Quadratics in closed form."""

import torch
from conformance import seeded
from hypothesis import given
from hypothesis import strategies as st

from l2l_core import evaluate
from l2l_core.rules import SGD
from l2l_core.tasks import Quadratic


@given(st.integers(1, 8), st.floats(0.01, 10), st.integers(0, 100))
def test_loss_and_gradient_are_the_closed_forms(n, scale, seed):
    problem = Quadratic(n, scale, 1.0, torch.float64).sample(seeded(seed))
    w, y = (d[0] for d in problem.batches(1, seeded()))
    theta = problem.params["theta"]
    grad, value = torch.func.grad_and_value(problem.loss)(problem.params, (w, y))
    torch.testing.assert_close(value, scale * torch.linalg.vector_norm(w @ theta - y) ** 2)
    torch.testing.assert_close(grad["theta"], 2 * scale * w.T @ (w @ theta - y))


def test_the_papers_scale_starts_near_one():
    start = evaluate(SGD(0.1), Quadratic(scale=0.1), 2000, 1)[:, 0]
    assert abs(float(start.mean()) - 1) < 0.05


def test_every_minibatch_is_the_whole_function_and_every_problem_another():
    gen = seeded()
    one, other = (Quadratic(3).sample(gen) for _ in range(2))
    w, y = one.batches(4, gen)
    assert w.shape == (4, 3, 3)
    assert y.shape == (4, 3)
    assert w[0].equal(w[3])
    assert not w[0].equal(other.batches(1, gen)[0][0])


def test_matrix_and_target_are_standard_gaussian_and_the_start_is_small():
    problem = Quadratic(200, start_std=0.01).sample(seeded())
    w, y = (d[0] for d in problem.batches(1, seeded()))
    for sample, std in ((w, 1), (y, 1), (problem.params["theta"], 0.01)):
        assert abs(float(sample.std()) / std - 1) < 0.15
        assert abs(float(sample.mean())) / std < 0.2
