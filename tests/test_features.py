"""`log_sign` at its seam and at the ends of the number line."""

from math import e, exp, inf, isnan, log, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from l2l_core import LogSign, RawGradient, log_sign
from l2l_core.features import Multiplied


def of(x, p=10.0):
    return log_sign(torch.tensor(x, dtype=torch.float64), p).tolist()


finite = st.floats(-1e30, 1e30, allow_subnormal=False)
constants = st.floats(0.5, 30)


def printed(x, p):
    """Appendix A of the paper, word for word."""
    return [log(abs(x)) / p, (x > 0) - (x < 0)] if abs(x) >= exp(-p) else [-1, exp(p) * x]


@given(finite, constants)
def test_both_features_are_what_the_paper_prints(x, p):
    assert of(x, p) == pytest.approx(printed(x, p), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("p", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("times", [-10, -2, -1.05, -0.95, -0.5, 0.1, 0.5, 0.95, 1.05, 2, 10])
def test_they_are_so_on_both_sides_of_the_seam(times, p):
    assert of(times * exp(-p), p) == pytest.approx(printed(times * exp(-p), p), rel=1e-12)


@given(st.floats(1e-30, 1e30), constants)
def test_the_magnitude_is_even_and_the_sign_is_odd(x, p):
    (magnitude, sign), (mirrored, opposite) = of(x, p), of(-x, p)
    assert (magnitude, sign) == (mirrored, -opposite)


@pytest.mark.parametrize("p", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_branches_meet_at_the_seam(p, sign):
    seam = torch.tensor(sign * exp(-p), dtype=torch.float64)
    around = torch.stack([torch.nextafter(seam, 0 * seam), seam, torch.nextafter(seam, 2 * seam)])
    torch.testing.assert_close(log_sign(around, p), torch.tensor([[-1.0, sign]] * 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("x", "features"),
    [(0.0, [-1, 0]), (1e-30, [-1, exp(10) * 1e-30]), (-1e-30, [-1, -exp(10) * 1e-30]), (1.0, [0, 1]), (-e, [0.1, -1])],
)
def test_its_values_at_marked_points(x, features):
    assert of(x) == pytest.approx(features, rel=1e-12, abs=1e-45)


def test_an_infinite_gradient_shows_in_the_first_feature():
    assert of(inf) == [inf, 1]
    assert of(-inf) == [inf, -1]


def test_nan_shows_in_the_first_feature():
    assert isnan(of(nan)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("x", [0.0, 1e-30, -1e-30, exp(-10), -exp(-10), 1.0, -1e30])
def test_its_derivative_is_finite_everywhere(x, dtype):
    x = torch.tensor(x, dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(log_sign(x).sum(), x)
    assert slope.isfinite()


@given(st.floats(-5, 5).filter(lambda x: abs(abs(x) - exp(-2)) > 1e-3 and abs(x) > 1e-3))
def test_its_derivative_is_that_of_the_branch_it_is_on(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: log_sign(x, 2.0), x)


@given(st.lists(st.integers(0, 3), max_size=3))
def test_features_stand_on_a_new_last_axis(shape):
    x = torch.zeros(shape)
    assert log_sign(x).shape == (*shape, 2) == (*shape, LogSign().size)
    assert RawGradient()(x).shape == Multiplied(2.0)(x).shape == (*shape, 1)


def test_a_multiplied_gradient_is_that():
    assert Multiplied(300.0)(torch.tensor([0.0, -0.5])).flatten().tolist() == [0, -150]


@pytest.mark.parametrize("p", [0, -1.0])
def test_p_must_be_positive(p):
    with pytest.raises(ValueError, match=f"p > 0, got p = {p}"):
        log_sign(torch.zeros(1), p)
