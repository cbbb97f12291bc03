"""L-BFGS is counted in gradients: what it knows after so many, and no more."""

import os

import pytest
import torch
from conformance import seeded

from l2l_core import trial
from l2l_core.evaluation import evaluate
from l2l_core.lbfgs import lbfgs, measure
from l2l_core.rules import SGD

WAYS = torch.linspace(0.1, 4, 12, dtype=torch.float64)


def bowl(theta):
    """½ Σ a_i (x_i − 1)², its curvatures far apart."""
    return 0.5 * (WAYS * (theta["x"] - 1).square()).sum()


def rosenbrock(theta):
    x = theta["x"]
    return ((1 - x[:-1]).square() + 100 * (x[1:] - x[:-1].square()).square()).sum()


@pytest.mark.parametrize("loss", [bowl, rosenbrock])
def test_entry_t_is_the_lowest_of_the_first_t_plus_one_values(loss):
    seen, start = [], {"x": torch.randn(12, generator=seeded(), dtype=torch.float64)}

    def watched(theta):
        value = loss(theta)
        seen.append((float(value.detach()), theta["x"].detach().clone()))
        return value

    found = lbfgs(watched, start, 40, marks=(0, 7, 40))
    assert found.losses.shape == (41,)
    for t, lowest in enumerate(found.losses.tolist()):
        assert lowest == min(value for value, _ in seen[: t + 1])
    for t, point in found.points.items():
        assert float(loss(point)) == pytest.approx(float(found.losses[t]), rel=1e-12)
    assert found.points[0]["x"].equal(start["x"])


def test_it_solves_a_bowl_in_far_fewer_gradients_than_gradient_descent():
    start = {"x": torch.zeros(12, dtype=torch.float64)}
    found = lbfgs(bowl, start, 30)
    x = start["x"]
    for _ in range(30):
        x = x - 2 / (WAYS.max() + WAYS.min()) * WAYS * (x - 1)  # the best constant rate
    assert float(found.losses[-1]) < 1e-6 * float(bowl({"x": x}))


def test_where_it_can_go_no_further_the_last_value_stays():
    found = lbfgs(bowl, {"x": torch.ones(12, dtype=torch.float64)}, 9, marks=(9,))
    assert found.losses.tolist() == [0.0] * 10
    assert found.points[9]["x"].equal(torch.ones(12, dtype=torch.float64))


@pytest.mark.parametrize(("evaluations", "marks"), [(0, ()), (3, (4,)), (3, (-1,))])
def test_marks_beyond_its_evaluations_are_refused(evaluations, marks):
    with pytest.raises(ValueError, match="evaluations are 1 or more and marks among them"):
        lbfgs(bowl, {"x": torch.ones(12, dtype=torch.float64)}, evaluations, marks)


@pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no perceptual network")
def test_its_curves_begin_where_those_of_the_trial_begin():
    """The same photographs, the same starts."""
    chosen = trial("neural-art")
    found = measure(chosen, "smoke")
    ours = evaluate(SGD(1e-6), chosen.task("test", "cpu"), 1, 1, seed=f"{chosen.family}/test")
    assert found["mean"][0] == pytest.approx(float(ours[0, 0]), rel=1e-4)
    assert found["mean"][-1] < 0.5 * found["mean"][0]
    assert len(found["mean"]) == len(found["low"]) == len(chosen.at_scale("smoke").kept)
    assert found["seconds"] > 0


def test_problems_with_minibatches_are_refused():
    with pytest.raises(ValueError, match="the problems of 'mnist' have minibatches"):
        measure(trial("mnist"), "smoke")
