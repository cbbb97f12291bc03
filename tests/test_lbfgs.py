"""L-BFGS is counted in gradients: what it knows after so many, and no more."""

from dataclasses import dataclass

import pytest
import torch
from conformance import seeded

from l2l_core import trial
from l2l_core.evaluation import evaluate, generator, in_turn
from l2l_core.lbfgs import lbfgs, measure
from l2l_core.rules import SGD
from l2l_core.tasks.neural_art import NeuralArt
from l2l_core.trials import Problems, Trial

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
    assert found.evaluated == len(seen) >= 41


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
    assert found.evaluated < 10
    assert found.points[9]["x"].equal(torch.ones(12, dtype=torch.float64))


@pytest.mark.parametrize(("evaluations", "marks"), [(0, ()), (3, (4,)), (3, (-1,))])
def test_marks_beyond_its_evaluations_are_refused(evaluations, marks):
    with pytest.raises(ValueError, match="evaluations are 1 or more and marks among them"):
        lbfgs(bowl, {"x": torch.ones(12, dtype=torch.float64)}, evaluations, marks)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_not_finite_is_never_the_lowest(value):
    """One evaluation of a line search fails; what was found before stays, and the curve goes on."""
    calls, start = [], {"x": torch.zeros(12, dtype=torch.float64)}

    def failing(theta):
        calls.append(1)
        return bowl(theta) * (value if len(calls) == 4 else 1)

    found = lbfgs(failing, start, 20, marks=(20,))
    assert found.losses.isfinite().all()
    assert (found.losses.diff() <= 0).all()
    assert float(found.losses[3]) == float(found.losses[2])
    assert float(bowl(found.points[20])) == pytest.approx(float(found.losses[-1]), rel=1e-12)


def test_a_start_without_a_finite_loss_is_refused():
    with pytest.raises(FloatingPointError, match="the loss is nan where L-BFGS begins"):
        lbfgs(lambda theta: bowl(theta) * torch.nan, {"x": torch.ones(12, dtype=torch.float64)}, 5)


@dataclass(frozen=True)
class Two(Trial):
    """A trial with two photographs, painted with filters that nobody trained."""

    def seeds(self, scale):
        return 0

    def finished(self, scale, out):
        return []


def two_photographs(split, device):
    dark, bright = 0.2 * torch.rand(2, 3, 16, 16, generator=seeded(1))
    pictures = torch.stack([dark, 1 - bright])
    return NeuralArt(pictures, torch.rand(3, 32, 32, generator=seeded(2)), "made up", network="random")


def test_its_curves_are_those_of_the_trials_own_problems_in_the_trials_unit():
    """Entry 0 of each quantile is what every rule begins with, the last the lowest that L-BFGS finds from there."""
    scales = {"smoke": Problems(tuning_problems=0, test_problems=2, steps=6)}
    settings = {"name": "two", "family": "two", "summary": "", "task": two_photographs, "baselines": {}, "unit": 2.0}
    chosen = Two(horizon=6, test_steps=6, scales=scales, **settings)
    found, task = measure(chosen, "smoke"), two_photographs("test", "cpu")
    starts = 2 * evaluate(SGD(1e-6), task, 2, 1, seed="two/test", draw=in_turn)[:, 0]
    assert float(starts.std()) > 0.01 * float(starts.mean())  # so that one for the other would be noticed
    assert found["mean"][0] == pytest.approx(float(starts.mean()), rel=1e-4)
    ends = []
    for k in range(2):
        problem = task.problem(k, gen := generator("problem", "two/test", k))
        (target,) = problem.batches(1, gen)
        ends.append(2 * float(lbfgs(lambda theta, d=target: task.loss(theta, d), problem.params, 6).losses[-1]))
    assert found["mean"][-1] == pytest.approx(sum(ends) / 2, rel=1e-3)
    assert ends[0] != pytest.approx(ends[1], rel=0.01)
    assert len(found["mean"]) == len(found["low"]) == len(chosen.kept) == 7
    assert found["seconds"] > 0


def test_problems_with_minibatches_are_refused():
    with pytest.raises(ValueError, match="the problems of 'mnist' have minibatches"):
        measure(trial("mnist"), "smoke")
