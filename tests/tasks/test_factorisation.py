"""A matrix as a product of two, in closed form."""

import torch
from conformance import seeded
from hypothesis import given
from hypothesis import strategies as st

from l2l_core.tasks.factorisation import Factorisation


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(0, 100))
def test_loss_and_gradient_are_the_closed_forms(m, n, rank, seed):
    problem = Factorisation(m, n, rank, 1.0, torch.float64).sample(seeded(seed))
    (whole,) = problem.batches(1, seeded())
    u, v = problem.params["u"], problem.params["v"]
    grad, value = torch.func.grad_and_value(problem.loss)(problem.params, whole)
    torch.testing.assert_close(value, torch.linalg.matrix_norm(u @ v.T - whole) ** 2 / (m * n))
    torch.testing.assert_close(grad["u"], 2 / (m * n) * (u @ v.T - whole) @ v)


def test_the_matrix_has_the_rank_of_its_factors_and_entries_of_variance_one():
    problem = Factorisation(200, 150, 3, dtype=torch.float64).sample(seeded())
    (whole,) = problem.batches(1, seeded())
    assert torch.linalg.matrix_rank(whole) == 3
    assert abs(float(whole.var()) - 1) < 0.3
    u, s, vh = torch.linalg.svd(whole, full_matrices=False)
    found = {"u": u[:, :3] * s[:3], "v": vh[:3].T}
    assert float(problem.loss(found, whole)) < 1e-20


def test_factors_start_near_the_saddle_at_zero():
    start = Factorisation(200, 150, 3, start_std=0.01).sample(seeded()).params
    for factor in start.values():
        assert 0.009 < float(factor.std()) < 0.011


def test_problems_differ_and_minibatches_of_one_do_not():
    gen = seeded()
    one, other = (Factorisation().sample(gen) for _ in range(2))
    first, second = one.batches(2, gen)
    assert first.equal(second)
    assert not first.equal(other.batches(1, gen)[0])
    assert not one.params["u"].equal(other.params["u"])
