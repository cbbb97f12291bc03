"""What a network is worth on images set aside is what PyTorch says of it, wherever its run is looked at."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from l2l_core import evaluate, heldout, recipe
from l2l_core.evaluation import generator
from l2l_core.heldout import MINIBATCH, marks, score, watch
from l2l_core.rules import SGD
from l2l_core.tasks import MNISTNetwork


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


def test_a_watched_run_is_the_one_in_the_curves():
    """On the test images themselves, shown all at once, the score at a mark is the curve of minibatches, nearly."""
    trial = replace(recipe("mnist"), test_steps=40, task=lambda split, device: MNISTNetwork("test"))
    found = watch(trial, SGD(3.0), 40, runs=2)
    curves = evaluate(SGD(3.0), MNISTNetwork("test"), 2, 40, seed=f"{trial.family}/test")
    assert found["loss"][0] == pytest.approx(float(curves[:, 0].mean()), rel=0.01)
    # a minibatch of 128 has a standard error of a few hundredths
    assert abs(found["loss"][-1] - float(curves[:, -5:].mean())) < 0.15 < found["loss"][0] - found["loss"][-1]
    assert found["accuracy"][-1] > 0.5
