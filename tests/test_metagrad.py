"""Meta-gradients against finite differences, closed forms and one another, in float64."""

import pytest
import torch
from conformance import EVERY_RULE, HORIZON, TASKS, assert_same, begun, make, network, phi_of, seeded, small_lstm

from l2l_core import Unroll, first_order, second_order, tbptt
from l2l_core.metagrad import autograd_window, draw, graph_free_window, thin
from l2l_core.rules import SGD
from l2l_core.store import load_tensors, save_tensors
from l2l_core.tasks import Quadratic
from l2l_core.tree import leaves, map_tree, ravel, unravel

every_rule = pytest.mark.parametrize("name", EVERY_RULE)
both_tasks = pytest.mark.parametrize("task", TASKS)


def directional(function, phi, direction, step=1e-6):
    """A central difference of a function of φ."""
    there, back = (map_tree(lambda w, v, s=s: w + s * v, phi, direction) for s in (step, -step))
    with torch.no_grad():
        return (function(there) - function(back)) / (2 * step)


def assert_is_gradient(grad, function, phi):
    for seed in range(3):
        direction = unravel(torch.randn(ravel(phi).numel(), dtype=torch.float64, generator=seeded(seed)), phi)
        slope = (ravel(grad) * ravel(direction)).sum()
        torch.testing.assert_close(slope, directional(function, phi, direction), rtol=2e-5, atol=1e-7)


def meta_loss_with_frozen_gradients(unroll, phi, loss, carry, data):
    """φ ↦ the window's loss, where all that the rule is shown stays what it was at `phi`: slow, independent."""
    with torch.no_grad():
        points = [carry, *unroll.walk(phi, loss, carry, data)]

    def function(phi):
        total, state, params = 0, carry.state, carry.params
        for t, point in enumerate(points[:-1]):
            update, state = unroll.rule.update_many(phi, unroll.signal(point), state, point.params)
            params = map_tree(torch.add, params, update)
            total = total + torch.vmap(loss)(params, map_tree(lambda d, t=t: d[:, t], data)).mean()
        return total

    return function


@every_rule
@both_tasks
def test_the_graph_free_window_is_the_gradient_that_autograd_finds(name, task):
    unroll, carry, problems = begun(make(name), TASKS[task](), b=3)
    args = unroll, phi_of(unroll.rule), problems[0].loss, carry, draw(problems, HORIZON, seeded(3))
    (ours, losses), end = graph_free_window(*args)
    (theirs, their_losses), their_end = autograd_window(*args)
    assert list(ours) == list(theirs)
    assert_same(ours, theirs, rtol=1e-9, atol=1e-12)
    assert_same((losses, end), (their_losses, their_end), rtol=1e-10, atol=1e-12)


@every_rule
@both_tasks
def test_the_first_order_meta_gradient_is_that_of_the_loss_with_frozen_gradients(name, task):
    unroll, carry, problems = begun(make(name), TASKS[task](), b=2)
    args = phi_of(unroll.rule), problems[0].loss, carry, draw(problems, HORIZON, seeded(3))
    estimate, _ = graph_free_window(unroll, *args)
    assert_is_gradient(estimate.grad, meta_loss_with_frozen_gradients(unroll, *args), args[0])


@every_rule
@both_tasks
def test_the_second_order_meta_gradient_is_that_of_the_loss(name, task):
    unroll, carry, problems = begun(make(name), TASKS[task](), b=2, oracle=second_order)
    phi, loss, data = phi_of(unroll.rule), problems[0].loss, draw(problems, HORIZON, seeded(3))
    estimate, _ = autograd_window(unroll, phi, loss, carry, data)
    assert_is_gradient(estimate.grad, lambda phi: unroll(phi, loss, carry, data)[0][:, 1:].sum(1).mean(), phi)


@every_rule
def test_gradients_reach_every_weight(name):
    unroll, carry, problems = begun(make(name), network(), b=2)
    data = draw(problems, HORIZON, seeded(3))
    estimate, _ = graph_free_window(unroll, phi_of(unroll.rule), problems[0].loss, carry, data)
    assert [key for key, grad in estimate.grad.items() if not grad.ne(0).any()] == []


def test_a_window_of_one_step_credits_its_only_update():
    # θ_1 = θ_0 − α∇_0, so ∂f(θ_1)/∂α = −⟨∇_0, ∇_1⟩
    estimator = tbptt(Unroll(SGD(0.05), 4), Quadratic(4, dtype=torch.float64, start_std=0.5), b=2, window=1)
    phi = phi_of(estimator.unroll.rule)
    state = estimator.begin(phi, estimator.init(seeded()))
    before = state.carry.grad["theta"]
    estimate, state = estimator.step(phi, state)
    torch.testing.assert_close(estimate.grad["lr"], -(before * state.carry.grad["theta"]).sum(1).mean())
    assert estimate.grad["lr"] != 0


@pytest.mark.parametrize("oracle", [first_order, second_order])
@both_tasks
@every_rule
def test_pieces_of_any_length_walk_the_trajectory_of_one_unbroken_unroll(name, task, oracle):
    unroll, carry, problems = begun(make(name), TASKS[task](), b=2, oracle=oracle)
    phi, loss, data = phi_of(unroll.rule), problems[0].loss, draw(problems, HORIZON, seeded(3))
    whole, end = unroll(phi, loss, carry, data)
    for cut in (1, 2, HORIZON - 1):
        first, middle = unroll(phi, loss, carry, map_tree(lambda d, cut=cut: d[:, :cut], data))
        second, last = unroll(phi, loss, middle, map_tree(lambda d, cut=cut: d[:, cut:], data))
        assert_same(first[:, -1], second[:, 0])
        assert_same((torch.cat([first, second[:, 1:]], 1), last), (whole, end))


@both_tasks
def test_windows_of_any_length_see_one_stream_of_losses(task):
    rule = make("lstm-log-sign")

    def stream(window):
        estimator = tbptt(Unroll(rule, HORIZON), TASKS[task](), 1, window)
        state, losses = estimator.init(seeded()), []
        for _ in range(2 * HORIZON // window):  # two episodes
            begins = state.carry and state.carry.loss
            estimate, state = estimator.step(phi_of(rule), state)
            assert begins is None or torch.equal(estimate.losses[:, 0], begins)
            losses.append(estimate.losses[:, 1:])
        return torch.cat(losses, 1)

    for window in (1, 2, 3):
        assert_same(stream(window), stream(HORIZON))


@both_tasks
def test_consecutive_meta_batches_differ_and_one_seed_gives_one_stream(task):
    def stream(seed):
        rule = make("lstm")
        estimator = tbptt(Unroll(rule, 2), TASKS[task](), b=2, window=2)
        state, estimates = estimator.init(seeded(seed)), []
        for _ in range(3):
            estimate, state = estimator.step(phi_of(rule), state)
            estimates.append(estimate)
        return estimates

    one, again, other = stream(0), stream(0), stream(1)
    assert_same(one, again)
    starts = [float(loss) for estimate in (*one, *other) for loss in estimate.losses[:, 0]]
    assert len(set(starts)) == len(starts)


@every_rule
def test_the_mean_over_shards_is_the_estimate_of_one_process(name):
    rule = make(name)
    phi = phi_of(rule)

    def stream(shard):
        estimator = tbptt(Unroll(rule, 4), network(), 4, 2, shard)
        state = estimator.init(seeded())
        for _ in range(3):  # into the second episode
            estimate, state = estimator.step(phi, state)
            yield estimate

    for whole, *parts in zip(stream((0, 1)), stream((0, 2)), stream((1, 2)), strict=True):
        mean = map_tree(lambda *grads: sum(grads) / 2, *(part.grad for part in parts))
        assert_same(mean, whole.grad, rtol=1e-10, atol=1e-13)
        torch.testing.assert_close(torch.cat([part.losses for part in parts]), whole.losses)


@every_rule
@pytest.mark.parametrize("windows", [0, 1, 3])
def test_a_stream_packed_and_unpacked_goes_on_to_the_bit(name, windows, tmp_path):
    rule = make(name)
    phi, moved = phi_of(rule), map_tree(lambda w: 1.01 * w, phi_of(rule))
    estimator = tbptt(Unroll(rule, 4), network(), b=2, window=2)
    state = estimator.init(seeded())
    for _ in range(windows):
        _, state = estimator.step(phi, state)
    save_tensors(tmp_path / "state", estimator.pack(state), {})
    resumed = estimator.unpack(load_tensors(tmp_path / "state")[0], moved)
    for _ in range(3):  # to the end of the episode and beyond
        (one, state), (other, resumed) = estimator.step(moved, state), estimator.step(moved, resumed)
        assert_same(one, other)


@both_tasks
def test_thinned_credit_is_unbiased_and_visits_no_more_than_its_share(task):
    unroll, carry, problems = begun(small_lstm().double(), TASKS[task](), b=2)
    phi, gen = phi_of(unroll.rule), seeded(5)
    args = unroll, phi, problems[0].loss, carry, draw(problems, HORIZON, seeded(3))
    exact, visited, draws, share = ravel(graph_free_window(*args)[0].grad), [], [], 0.4

    def some(upstream):
        chance = {k: torch.rand(u.shape, generator=gen) for k, u in upstream[0].items()}
        thinned = thin(upstream, share, chance)
        visited.append(torch.cat([u.ne(0).flatten() for u in thinned[0].values()]).double().mean())
        return thinned

    for _ in range(400):
        draws.append(ravel(graph_free_window(*args, some)[0].grad))
    draws, visited = torch.stack(draws), torch.stack(visited)
    assert visited.mean() < share + 4 * visited.std() / len(visited) ** 0.5
    error = (draws.mean(0) - exact) / (draws.std(0) / len(draws) ** 0.5).clamp_min(1e-12)
    assert error.abs().max() < 5  # standard errors, over a few hundred weights
    assert (draws[0] - exact).norm() > 1e-3 * exact.norm()


def test_thinning_nothing_changes_nothing():
    upstream = [{"x": torch.randn(2, 5, dtype=torch.float64)} for _ in range(3)]
    all_kept = thin(upstream, 1e9, {"x": torch.rand(2, 5)})
    assert_same(all_kept, upstream, rtol=0, atol=0)
    nothing = [{"x": torch.zeros(2, 5)}]
    assert_same(thin(nothing, 0.5, {"x": torch.rand(2, 5)}), nothing, rtol=0, atol=0)


def test_shards_that_thin_their_windows_stay_in_step():
    estimators = [
        tbptt(Unroll(small_lstm().double(), HORIZON), Quadratic(4, dtype=torch.float64), 4, HORIZON, shard, visited=0.5)
        for shard in ((0, 1), (0, 2), (1, 2))
    ]
    phi = phi_of(estimators[0].unroll.rule)
    whole, *parts = (e.step(phi, e.init(seeded(1))) for e in estimators)
    assert all(torch.equal(whole[1].gen.get_state(), part[1].gen.get_state()) for part in parts)
    torch.testing.assert_close(torch.cat([part[0].losses for part in parts], dim=0), whole[0].losses)
    # coordinates are chosen by what they are worth among a process's own: another choice, the same expectation
    together = (ravel(parts[0][0].grad) + ravel(parts[1][0].grad)) / 2
    assert not torch.allclose(together, ravel(whole[0].grad), rtol=1e-3)


@pytest.mark.parametrize(("visited", "oracle"), [(0.0, first_order), (1.5, first_order), (0.5, second_order)])
def test_a_share_that_cannot_be_visited_is_refused(visited, oracle):
    with pytest.raises(ValueError, match="visited is a share"):
        tbptt(Unroll(small_lstm().double(), HORIZON, oracle), Quadratic(), 1, HORIZON, visited=visited)


@pytest.mark.parametrize(("horizon", "window"), [(10, 3), (10, 0), (10, 20), (10, -5)])
def test_a_horizon_that_is_not_whole_windows_is_refused(horizon, window):
    with pytest.raises(ValueError, match=f"whole windows, got horizon {horizon} and window {window}"):
        tbptt(Unroll(SGD(0.1), horizon), Quadratic(), b=1, window=window)


@pytest.mark.parametrize(("b", "shard"), [(3, (0, 2)), (4, (2, 2)), (4, (-1, 2)), (0, (0, 1))])
def test_optimizees_that_cannot_be_shared_evenly_are_refused(b, shard):
    with pytest.raises(ValueError, match=f"b = {b} optimizees cannot be shared"):
        tbptt(Unroll(SGD(0.1), 10), Quadratic(), b, 5, shard)


def test_no_graph_and_no_memory_of_the_past_is_carried_from_window_to_window():
    rule = small_lstm().double()
    estimator = tbptt(Unroll(rule, 100), Quadratic(3, dtype=torch.float64), b=2, window=2)
    state = estimator.init(seeded())
    for _ in range(3):
        estimate, state = estimator.step(dict(rule.named_parameters()), state)
        assert not any(leaf.requires_grad for leaf in leaves((estimate, state)) if isinstance(leaf, torch.Tensor))


@pytest.mark.parametrize("stop", [0.2, 0.5])
def test_episodes_that_may_stop_have_geometric_lengths_up_to_the_horizon(stop):
    estimator = tbptt(Unroll(SGD(0.01), 6), Quadratic(2), b=1, window=1, stop=stop)
    phi, state, lengths, begun_at = phi_of(estimator.unroll.rule), estimator.init(seeded()), [], 0
    for k in range(1, 1501):
        _, state = estimator.step(phi, state)
        if state.carry is None:
            lengths.append(k - begun_at)
            begun_at = k
    expected = [stop * (1 - stop) ** (t - 1) for t in range(1, 6)] + [(1 - stop) ** 5]
    for length, chance in enumerate(expected, 1):
        error = (chance * (1 - chance) / len(lengths)) ** 0.5
        assert abs(lengths.count(length) / len(lengths) - chance) < 4 * error
    assert max(lengths) == 6


def test_a_stream_of_episodes_that_may_stop_is_resumed_to_the_bit():
    rule = make("lstm")
    estimator, phi = tbptt(Unroll(rule, 12), network(), b=2, window=2, stop=0.3), phi_of(rule)
    state = estimator.init(seeded(3))
    for _ in range(20):
        resumed = estimator.unpack(estimator.pack(state), phi)
        (one, state), (other, _) = estimator.step(phi, state), estimator.step(phi, resumed)
        assert_same(one, other)


def test_a_chance_to_stop_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"stop is a chance in \[0, 1\), got 1"):
        tbptt(Unroll(SGD(0.1), 10), Quadratic(), 1, 5, stop=1.0)


class Weighted(Quadratic):
    """Quadratics whose weights are those of `counts`, one after another."""

    counts = (1.0,)

    def sample(self, gen):
        first, *rest = self.counts
        object.__setattr__(self, "counts", (*rest, first))
        return super().sample(gen)._replace(weight=first)


@pytest.mark.parametrize("oracle", [first_order, second_order])
def test_a_problem_counts_by_its_weight(oracle):
    def slope(*counts):
        task = Weighted(3, dtype=torch.float64)
        object.__setattr__(task, "counts", counts)
        estimator = tbptt(Unroll(SGD(0.05), 4, oracle), task, 2, 4)
        return estimator.step(phi_of(estimator.unroll.rule), estimator.init(seeded()))[0].grad["lr"]

    torch.testing.assert_close(slope(2.0, 5.0), 2 * slope(1.0, 0.0) + 5 * slope(0.0, 1.0))
    assert slope(1.0, 0.0) != slope(0.0, 1.0)


@pytest.mark.parametrize("oracle", [first_order, second_order])
def test_a_problem_keeps_its_weight_in_whatever_process_it_runs(oracle):
    def slope(shard):
        task = Weighted(3, dtype=torch.float64)
        object.__setattr__(task, "counts", (1.0, 2.0, 7.0, 0.5))
        estimator = tbptt(Unroll(SGD(0.05), 4, oracle), task, 4, 4, shard)
        return estimator.step(phi_of(estimator.unroll.rule), estimator.init(seeded()))[0].grad["lr"]

    torch.testing.assert_close((slope((0, 2)) + slope((1, 2))) / 2, slope((0, 1)))
