"""Meta-gradients taken apart: on vectors whose answer is plain, and on functions without curvature."""

from dataclasses import dataclass

import pytest
import torch
from conformance import phi_of, small_lstm

from l2l_core import Optimizee, Task, Unroll, tbptt
from l2l_core.anatomy import (
    Episodes,
    between_episodes,
    between_windows,
    component,
    measure,
    meta_gradients,
    random_unit,
    shares,
    surfaces,
    trace,
    unit,
)
from l2l_core.evaluation import generator
from l2l_core.tasks import Quadratic
from l2l_core.tree import ravel


@dataclass(frozen=True)
class Slope(Task):
    """f(θ) = d · θ: its gradient is the same everywhere, so that nothing is lost when second derivatives are."""

    def sample(self, gen):
        def batches(steps, gen):
            return torch.randn(steps, 5, generator=gen, dtype=torch.float64)

        return Optimizee({"x": torch.zeros(5, dtype=torch.float64)}, lambda theta, d: (theta["x"] * d).sum(), batches)


def rule():
    torch.manual_seed(1)
    return small_lstm().double()


def episodes(problems=2, window=2):
    one = rule()
    return Episodes(one, phi_of(one), Slope(), problems, horizon=6, window=window, seed=0)


AXES = torch.eye(3, dtype=torch.float64)


def test_windows_that_pull_apart_have_cosine_minus_one():
    grads = torch.stack([torch.stack([AXES[0], -2 * AXES[0], AXES[1]])] * 2)
    torch.testing.assert_close(between_windows(grads), torch.tensor([[1, -1, 0], [-1, 1, 0], [0, 0, 1.0]]).double())


def test_episodes_are_compared_window_by_window():
    grads = torch.stack([torch.stack([AXES[0], AXES[0], AXES[0]]), torch.stack([3 * AXES[0], -AXES[0], AXES[2]])])
    torch.testing.assert_close(between_episodes(grads), torch.tensor([1.0, -1.0, 0.0]).double())


def test_an_episode_without_a_gradient_points_nowhere():
    grads = torch.stack([AXES[:1], AXES[:1], 0 * AXES[:1]])
    torch.testing.assert_close(between_episodes(grads), torch.tensor([1 / 3]).double())
    assert between_windows(torch.cat([grads[:1], grads[2:]], 1))[0].tolist() == [1, 0]


def test_one_episode_is_no_pair():
    with pytest.raises(ValueError, match="at least two, got 1"):
        between_episodes(torch.ones(1, 2, 3))


def test_shares_are_of_the_squared_norm_and_add_up_to_one():
    phi = {"a": torch.zeros(2), "b": torch.zeros(1)}
    grads = torch.tensor([[[3.0, 0.0, 4.0]], [[0.0, 1.0, 0.0]]])
    found = shares(grads, phi)
    assert found["a"].tolist() == pytest.approx([(9 / 25 + 1) / 2])
    assert (found["a"] + found["b"]).tolist() == pytest.approx([1.0])


def test_a_component_is_one_number_of_phi():
    phi = {"a": torch.zeros(2), "b": torch.zeros(1)}
    grads = torch.arange(6.0).view(1, 2, 3)
    assert component(grads, phi, "b").tolist() == [[2.0, 5.0]]
    with pytest.raises(ValueError, match="'a' is 2 numbers of φ"):
        component(grads, phi, "a")


def test_meta_gradients_are_those_that_training_would_take():
    one, task = rule(), Quadratic(4, dtype=torch.float64)
    grads = meta_gradients(one, phi_of(one), task, 2, horizon=6, window=3, seed="x")
    assert grads.shape == (2, 2, sum(w.numel() for w in phi_of(one).values()))
    estimator = tbptt(Unroll(one, 6), task, 1, 3)
    state = estimator.init(generator("anatomy", "x", 1))
    for window in range(2):
        estimate, state = estimator.step(phi_of(one), state)
        torch.testing.assert_close(grads[1, window], ravel(estimate.grad))
    assert not grads[0].allclose(grads[1])


def test_directions_have_length_one():
    phi = phi_of(rule())
    assert float(unit(phi, "readout.bias").abs().max()) == 1
    assert all(float(d.norm()) == pytest.approx(1) for d in (random_unit(phi), unit(phi, "readout.weight")))
    assert float(unit(phi, "readout.bias") @ random_unit(phi).double()) < 0.5


def test_at_the_unchanged_weights_both_surfaces_are_the_same():
    some = episodes()
    torch.testing.assert_close(some.truncated(some.phi), some.whole(some.phi))


def test_truncation_sees_the_first_window_as_it_is_and_the_others_as_if_nothing_had_come_before():
    some = episodes()
    moved = {name: w + 0.1 for name, w in some.phi.items()}
    short, long = some.truncated(moved), some.whole(moved)
    torch.testing.assert_close(short[0], long[0])
    assert not torch.isclose(short[1:], long[1:]).any()


@pytest.mark.parametrize(("steps", "kind"), [(2, "truncated"), (6, "whole")])
def test_without_curvature_a_meta_gradient_is_the_slope_of_its_own_surface(steps, kind):
    some, h = episodes(), 1e-5
    direction = random_unit(some.phi).double()
    low, high = (sum(values) for values in some.along(direction, [-h, h])[kind])
    assert (high - low) / (2 * h) == pytest.approx(float(some.gradient(steps) @ direction), rel=1e-5)


@pytest.mark.parametrize("distances", [(-1e-4, 0, 1e-4), (-1.0, -1e-4, 0, 2e-4, 1.0)])
def test_without_curvature_the_slope_that_is_stored_is_that_of_credit_over_the_whole_episode(distances):
    one = rule()
    drawn = surfaces(one, phi_of(one), Slope(), 2, distances=distances, horizon=6, window=2)
    for line in drawn["directions"].values():
        assert line["slope"]["whole"] == pytest.approx(line["slope"]["credit 6"], rel=5e-3)
    loud = drawn["directions"]["loud"]["slope"]
    assert loud["credit 2"] != pytest.approx(loud["whole"], rel=5e-2)


def test_a_trace_follows_adam_from_the_first_step():
    one = rule()
    lines = trace(one, Quadratic(4, dtype=torch.float64), 3, 0.01, "readout.bias", seed=2)
    assert {len(values) for values in lines.values()} == {3}
    assert lines["weight"][0] == pytest.approx(one.readout.bias.item(), rel=1e-3)
    estimator = tbptt(Unroll(one, 100), Quadratic(4, dtype=torch.float64), 1, 20)
    seen, _ = estimator.step(phi_of(one), estimator.init(generator("trace", 2)))
    assert lines["loss"][0] == pytest.approx(float(seen.losses[0, 1:].sum()) / 20, rel=1e-3)
    assert lines["norm"][0] == pytest.approx(float(ravel(seen.grad).norm()), rel=1e-3)
    # Adam's first step has the length of its rate, against the gradient
    step = lines["weight"][1] - lines["weight"][0]
    assert abs(step) == pytest.approx(0.01, rel=0.05)
    assert step * lines["gradient"][0] < 0


def test_what_is_written_has_a_number_for_every_window_and_distance():
    one, task = rule(), Quadratic(4, dtype=torch.float64)
    found = measure(one, phi_of(one), task, 2, horizon=4, window=2)
    assert [len(found[key]) for key in ("norm", "bias", "windows", "episodes")] == [2, 2, 2, 2]
    assert sum(share[0] for share in found["shares"].values()) == pytest.approx(1, abs=1e-3)
    drawn = surfaces(one, phi_of(one), task, 2, distances=(-0.1, 0.0, 0.1), horizon=4, window=2)
    assert set(drawn["directions"]) == {"bias", "loud", "random"}
    for line in drawn["directions"].values():
        assert [len(line[kind]) for kind in ("truncated", "whole")] == [3, 3]
        assert set(line["slope"]) == {"whole", "credit 2", "credit 4"}
