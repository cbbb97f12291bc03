"""What a network is worth on images set aside is what PyTorch says of it, wherever its run is looked at."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from l2l_core import evaluate, heldout, recipe, trial
from l2l_core.evaluation import generator
from l2l_core.heldout import MINIBATCH, marks, measure, score, seconds_a_step, watch
from l2l_core.rules import RULES, SGD
from l2l_core.tasks import MNISTNetwork
from l2l_core.zoo import card, meta_seeds


def test_a_score_is_the_loss_and_the_accuracy_over_whole_minibatches():
    task = MNISTNetwork("score", start_std=0.3)
    params = task.sample(generator("x")).params
    count = len(task.labels) // MINIBATCH * MINIBATCH
    logits = task.logits(params, task.pixels[:count])  # this network does not mind how its images are divided
    loss, accuracy = score(task, params)
    assert loss == pytest.approx(float(cross_entropy(logits, task.labels[:count])), rel=1e-5)
    assert accuracy == float((logits.argmax(1) == task.labels[:count]).double().mean())


def test_guessing_is_right_as_often_as_its_one_class_occurs():
    task = MNISTNetwork("score", start_std=0.0)
    loss, accuracy = score(task, task.sample(generator("x")).params)
    count = len(task.labels) // MINIBATCH * MINIBATCH
    assert loss == pytest.approx(torch.tensor(10.0).log().item())
    assert accuracy == float((task.labels[:count] == 0).double().mean())


def test_too_few_images_make_no_minibatch(monkeypatch):
    monkeypatch.setattr(heldout, "MINIBATCH", 10**6)
    task = MNISTNetwork("score")
    with pytest.raises(ValueError, match="has no minibatch of 1000000"):
        score(task, task.sample(generator("x")).params)


@pytest.mark.parametrize("steps", [20, 100, 200, 1000])
def test_a_run_is_looked_at_from_its_start_to_its_end(steps):
    found = marks(steps)
    assert found[0] == 0
    assert found[-1] == steps
    assert found == sorted(set(found))


def test_the_time_of_a_step_is_the_shortest_of_three_runs_by_its_steps(monkeypatch):
    clock = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])  # 5, 2 and 3 seconds
    monkeypatch.setattr(heldout, "process_time", lambda: next(clock))
    assert seconds_a_step(recipe("quadratic"), SGD(0.01), steps=4) == 0.5


def test_a_run_is_looked_at_on_the_images_that_are_set_aside_for_it():
    asked = []

    def task(split, device):
        asked.append(split)
        return MNISTNetwork(split, start_std=0.0)

    # in single precision the rate is zero, so that the guess stays at one class, which is right as often as it occurs
    found = watch(replace(recipe("mnist"), test_steps=20, task=task), SGD(1e-300), 20, runs=1)
    assert asked == ["test", "score"]
    labels = MNISTNetwork("score").labels
    labels = labels[: len(labels) // MINIBATCH * MINIBATCH]
    assert found["accuracy"] == [pytest.approx(float((labels == 0).double().mean()), rel=1e-3)] * len(marks(20))


def test_a_schedule_is_watched_as_it_ends_at_the_horizon_that_it_is_told():
    trial = replace(recipe("mnist"), test_steps=20)
    ended, longer = (watch(trial, RULES["adam-cosine"](0.05), horizon, runs=1)["loss"] for horizon in (2, 20))
    looked_at = marks(20)
    assert len(set(ended[looked_at.index(2) :])) == 1  # it has come to rest
    assert len(set(longer)) == len(looked_at)


def test_only_an_incomplete_minibatch_at_the_end_is_left_out():
    whole = MNISTNetwork("score", start_std=0.3)
    params = whole.sample(generator("x")).params

    def first(count):
        some = SimpleNamespace(pixels=whole.pixels[:count], labels=whole.labels[:count], logits=whole.logits)
        return score(some, params)

    assert first(MINIBATCH + 1) == first(2 * MINIBATCH - 1) == first(MINIBATCH)
    assert first(2 * MINIBATCH) != first(MINIBATCH)


def test_rules_that_are_not_those_in_the_results_are_not_measured():
    chosen = trial("mnist-relu")
    seeds = [{"validation": card(name)["validation"]} for name in meta_seeds("mnist")]
    metrics = {"data": MNISTNetwork("score").source, "baselines": {}, "seeds": [*seeds[:-1], {"validation": 0.5}]}
    with pytest.raises(ValueError, match="the rules of 'mnist-relu' are not those in its results: they score "):
        measure(chosen, metrics)


def test_results_on_other_images_are_not_joined():
    with pytest.raises(ValueError, match="the results of 'mnist-relu' are on CIFAR-10, the images here are "):
        measure(trial("mnist-relu"), {"data": "CIFAR-10", "baselines": {}, "seeds": []})


def test_every_rule_is_watched_with_the_horizon_that_it_was_tuned_or_trained_for(monkeypatch):
    monkeypatch.setattr(heldout, "watch", lambda chosen, rule, horizon, runs: {"horizon": horizon})
    monkeypatch.setattr(heldout, "seconds_a_step", lambda chosen, rule: 0.0)
    tuned = {key: {"rule": "adam-cosine", "lr": 0.1, "horizon": t} for key, t in (("short", 100), ("long", 200))}
    seeds = [{"validation": card(name)["validation"]} for name in meta_seeds("mnist")]
    metrics = {"data": MNISTNetwork("score").source, "baselines": {**tuned, "sgd as printed": {}}, "seeds": seeds}
    found = measure(trial("mnist-relu"), metrics)["rules"]
    expected = {"short": 100, "long": 200, **{f"seed {k}": 100 for k in range(len(seeds))}}
    assert {name: one["horizon"] for name, one in found.items()} == expected


def test_a_watched_run_is_the_one_in_the_curves():
    """On the test images themselves, shown all at once, the score at a mark is the curve of minibatches, nearly."""
    trial = replace(recipe("mnist"), test_steps=40, task=lambda split, device: MNISTNetwork("test"))
    found = watch(trial, SGD(3.0), 40, runs=2)
    curves = evaluate(SGD(3.0), MNISTNetwork("test"), 2, 40, seed=f"{trial.family}/test")
    assert found["loss"][0] == pytest.approx(float(curves[:, 0].mean()), rel=0.01)
    # a minibatch of 128 has a standard error of a few hundredths
    assert abs(found["loss"][-1] - float(curves[:, -5:].mean())) < 0.15 < found["loss"][0] - found["loss"][-1]
    assert found["accuracy"][-1] > 0.5
