"""What a rule does with a gradient, where the answer is known: rules written by hand."""

from itertools import pairwise

import pytest
import torch
from conformance import small_lstm

from l2l_core import LogSign, load_pretrained, recipe
from l2l_core.behaviour import (
    active,
    classics,
    explained,
    forget_gates,
    measure,
    persistence,
    plain,
    record,
    replay,
    response,
    sample,
    steplike,
    traits,
)
from l2l_core.claims import RESULTS
from l2l_core.evaluation import generator
from l2l_core.results import obtain
from l2l_core.rules import SGD, Adam, Momentum, Reflected
from l2l_core.store import read_json
from l2l_core.tasks import Quadratic

GRADS = torch.randn(12, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def lstm():
    torch.manual_seed(1)
    return small_lstm(features=LogSign()).double()


def test_a_replay_of_momentum_is_the_sum_it_is_defined_as():
    updates, _ = replay(Momentum(0.1, momentum=0.5), GRADS)
    expected = [-0.1 * sum(0.5 ** (t - k) * GRADS[k] for k in range(t + 1)) for t in range(12)]
    torch.testing.assert_close(updates, torch.stack(expected))


def test_a_replay_goes_on_from_any_memory():
    whole, states = replay(Adam(0.1), GRADS)
    rest, _ = replay(Adam(0.1), GRADS[7:], states[7], start=7)
    torch.testing.assert_close(rest, whole[7:])


@pytest.mark.parametrize("wrap", [lambda rule: rule, Reflected], ids=["plain", "reflected"])
def test_replaying_a_run_gives_the_steps_that_the_run_took(wrap):
    rule, task = wrap(lstm()), Quadratic(4, dtype=torch.float64)
    run = record(rule, task, 6, seed=5)
    # with the recorded steps the losses must come out again, by no other way than the loss itself
    updates, _ = replay(plain(rule), run.grads)
    again = record(rule, task, 6, seed=5)
    assert run.losses.equal(again.losses)
    signs = rule.init({"theta": torch.zeros(4)}).signs["theta"] if isinstance(rule, Reflected) else 1
    gen = generator("behaviour", 5)
    problem = task.sample(gen)
    w, y = (d[0] for d in problem.batches(1, gen))
    theta = problem.params["theta"] + (signs * updates[:5]).sum(0)
    torch.testing.assert_close((w @ theta - y).square().sum(), run.losses[5])


def test_a_response_is_one_step_from_a_memory_that_does_not_change():
    rule = lstm()
    updates, states = replay(rule, GRADS)
    torch.testing.assert_close(response(rule, states[4], GRADS[4:5], 4), updates[4:5])
    assert response(rule, states[4], torch.stack([GRADS[4]] * 2), 4).diff(dim=0).eq(0).all()


@pytest.mark.parametrize(("rule", "value"), [(SGD(0.3), 0.1), (Momentum(0.3), 0.1)])
def test_a_linear_update_has_a_tenth_of_its_swing_within_a_tenth(rule, value):
    _, states = replay(rule, GRADS)
    found = steplike(rule, states, GRADS, [2, 9])
    torch.testing.assert_close(found, torch.full((2, 5), value, dtype=torch.float64))


def test_adams_first_update_is_a_step():
    rule = Adam(0.1)
    _, states = replay(rule, GRADS)
    assert float(steplike(rule, states, GRADS, [0]).min()) > 0.999


def test_gradients_too_small_to_be_seen_have_no_shape_and_do_not_count():
    rule = lstm()
    with_dead = torch.cat([GRADS, 1e-300 * GRADS], 1)
    _, states = replay(rule, with_dead)
    found = steplike(rule, states, with_dead, [5])
    assert found[0, :5].isfinite().all()
    assert found[0, 5:].isnan().all()


def test_persistence_is_one_for_a_constant_and_minus_one_for_an_alternation():
    constant = torch.full((6, 2), 3.0)
    signs = torch.tensor([1.0, -1] * 3).unsqueeze(1)
    assert persistence(constant) == pytest.approx(1)
    assert persistence(constant * signs) == pytest.approx(-1)


def test_coordinates_are_active_if_they_ever_had_a_gradient():
    grads = torch.tensor([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    assert active(grads).tolist() == [False, True, True]


def test_a_sample_is_spread_over_the_active_coordinates():
    grads = torch.arange(20.0).repeat(2, 1)  # the first has no gradient
    found = sample(grads, 5)
    assert found[0].tolist() == [1, 5, 9, 13, 17]
    assert sample(grads).shape == (2, 19)
    with pytest.raises(ValueError, match="no coordinate of this run ever had a gradient"):
        sample(0 * grads)


def test_every_classic_update_is_explained_by_itself_alone_and_noise_by_none():
    directions = classics(GRADS)
    for name, direction in directions.items():
        assert explained(-0.3 * direction, [direction]) == pytest.approx(1), name
    noise = torch.randn(12, 5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    assert explained(noise, list(directions.values())) < 0.4
    torch.testing.assert_close(directions["gradient"], -GRADS)


def test_what_two_features_explain_is_the_share_of_the_plane_they_span():
    x, y, z = torch.eye(3, dtype=torch.float64)
    assert explained(x + y + z, [x, x + y]) == pytest.approx(2 / 3)


def test_forget_gates_are_what_multiplies_the_old_memory():
    rule = lstm()
    _, states = replay(rule, GRADS)
    gates = forget_gates(rule, GRADS, states)
    assert [g.shape for g in gates] == [(12, 5, 3)] * 2
    # c' = f c + …: what the new memory of the first layer gains from a larger old one is the forget gate
    more = states[4]._replace(c=(states[4].c[0] + 1e-6, states[4].c[1]))
    _, moved = replay(rule, GRADS[4:5], more, 4)
    gain = (moved[1].c[0] - states[5].c[0]) / 1e-6
    torch.testing.assert_close(gates[0][4], gain.detach(), rtol=1e-4, atol=1e-6)


def test_traits_of_a_rule_that_only_sees_signs():
    rule = load_pretrained("mnist-lstm")
    run = record(rule, Quadratic(4), 20, seed=1)
    found = traits(rule, run, 0.03)
    assert set(found) == {"step", "size", "persistence"}
    half = traits(rule, run, 0.06)
    assert half["size"] == pytest.approx(found["size"] / 2, rel=1e-4)


def test_traits_are_taken_at_every_tenth_step_from_the_tenth_on_and_beside_adams():
    rule = lstm()
    run = record(rule, Quadratic(4, dtype=torch.float64), 25, seed=1)
    assert run.grads.shape == (25, 4)
    found, (updates, states), (adam, _) = traits(rule, run, 0.2), replay(rule, run.grads), replay(Adam(0.2), run.grads)
    assert found["step"] == pytest.approx(float(steplike(rule, states, run.grads, [10, 20]).median()))
    assert found["persistence"] == pytest.approx(_correlation(updates) - _correlation(adam))
    assert found["size"] == pytest.approx(float(updates.norm() / adam.norm()))


def _correlation(updates):
    """Of successive updates about zero, number by number."""
    pairs = [(float(a), float(b)) for now, then in pairwise(updates) for a, b in zip(now, then, strict=True)]
    return sum(a * b for a, b in pairs) / (sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs)) ** 0.5


def test_only_an_lstm_is_replayed_coordinate_by_coordinate():
    with pytest.raises(ValueError, match="got Adam"):
        plain(Adam(0.1))


def test_the_stored_traits_are_those_of_the_shipped_meta_seeds():
    stored = read_json(RESULTS / "mnist" / "behaviour.json")
    metrics = read_json(RESULTS / "mnist" / "metrics.json")
    told = [(seed["seed"], seed["validation"]) for seed in stored["seeds"]]
    assert told == [(seed["seed"], seed["validation"]) for seed in metrics["seeds"]], "python -m l2l_core.behaviour"
    assert stored["adam_lr"] == metrics["baselines"]["adam"]["lr"]


def test_every_meta_seed_is_measured():
    chosen = recipe("quadratic")
    results = obtain(chosen, "book")
    found = measure(chosen, results, 0.2, runs=1)
    assert [seed["seed"] for seed in found["seeds"]] == [seed["seed"] for seed in results.metrics["seeds"]]
    assert all(seed["step"] == seed["step"] for seed in found["seeds"])
