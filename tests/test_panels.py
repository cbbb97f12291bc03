"""The panels of Fig. 7: who has seen which labels, and what a minibatch holds."""

from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import ModuleDict

from l2l_core import RULES, TRIALS, evaluate, recipe
from l2l_core.cifar import cifar10
from l2l_core.evaluation import generator, snapshots
from l2l_core.experiment import beginning, train_meta_seed
from l2l_core.heldout import MINIBATCH, score
from l2l_core.panels import OTHER_PAIRS, PAIRS, PANELS
from l2l_core.recipes.cifar import FIVE, TRAINING_BATCH, TWO
from l2l_core.rules import Grouped
from l2l_core.tasks import CIFARNetwork

SUBS = {"cifar-sub5": FIVE, "cifar-sub2": TWO}


@pytest.fixture
def drawn(monkeypatch):
    """Of every minibatch drawn in the test: its set of images, and their labels `[t, batch]` as CIFAR-10 has them."""
    found, original = [], CIFARNetwork.batches

    def batches(self, steps, gen):
        indices, whole = original(self, steps, gen), cifar10(self.split)
        # by what the network will see, not by how the task numbers labels
        official = torch.zeros(60_000, dtype=torch.long)
        official[whole.origin] = whole.labels
        found.append((self.split, official[self.images(self.split).origin[indices]]))
        return indices

    monkeypatch.setattr(CIFARNetwork, "batches", batches)
    return found


@pytest.fixture
def unseeing(monkeypatch):
    """Where only labels matter the network need not be run: a loss that is quick, and looks at no picture."""
    monkeypatch.setattr(CIFARNetwork, "loss", lambda self, params, batch: params["output.bias"].sum() + 0 * batch.sum())


@pytest.mark.parametrize("name", SUBS)
@pytest.mark.usefixtures("unseeing")
def test_no_label_of_a_panel_is_drawn_while_its_lstm_sub_is_trained(name, drawn, tmp_path):
    train_meta_seed(recipe(name), "smoke", 0, tmp_path, progress=False)
    assert {split for split, _ in drawn} == {"train", "validation"}
    assert {labels.shape[1] for split, labels in drawn if split == "train"} == {TRAINING_BATCH}
    for split in ("train", "validation"):
        seen = torch.cat([labels.flatten() for where, labels in drawn if where == split]).unique().tolist()
        assert seen == [k for k in range(10) if k not in SUBS[name]]


@pytest.mark.parametrize("name", SUBS)
def test_an_lstm_sub_is_tested_on_its_panel_as_the_lstm_is(name, drawn):
    panel = TRIALS[f"cifar-{name[-1]}"]
    assert panel in PANELS.values()
    assert panel.source == "cifar"
    (mine, theirs) = (one.task("test", "cpu") for one in (recipe(name), panel))
    assert mine == theirs
    steps = 400 if name == "cifar-sub2" else 1000
    assert {(one.family, one.horizon, one.test_steps, one.average) for one in (recipe(name), panel)} == {
        (panel.name, steps, steps, 20)
    }
    evaluate(RULES["sgd"](0.1), mine, 1, 2, seed=f"{panel.family}/test")
    assert set(torch.cat([labels.flatten() for _, labels in drawn]).tolist()) <= set(SUBS[name])


def test_a_test_on_two_labels_draws_an_image_as_often_as_the_papers():
    panel = TRIALS["cifar-2"]
    the_papers = 1000 * 128 / 10_000  # all images of two labels that CIFAR-10 has for training
    assert panel.test_steps * 128 / len(panel.task("test", "cpu").labels) == pytest.approx(the_papers, rel=0.05)


def test_one_lstm_differs_from_two_in_the_rule_alone():
    home, other = recipe("cifar"), recipe("cifar-shared")
    said = {"name", "summary", "shipped", "stream", "baselines", "rule"}
    assert {f.name for f in fields(home) if getattr(home, f.name) != getattr(other, f.name)} <= said
    known, found = ({type(m) for m in one.rule().modules()} for one in (home, other))
    assert known ^ found == {Grouped, ModuleDict}


def test_meta_training_on_late_steps_differs_in_the_length_of_episodes_alone():
    home, other = recipe("cifar"), recipe("cifar-late")
    said = {"name", "summary", "shipped", "stream", "baselines", "scales", "episode", "stop"}
    assert {f.name for f in fields(home) if getattr(home, f.name) != getattr(other, f.name)} <= said
    assert replace(home.budget("paper"), seeds=1) == other.budget("paper")
    ours, theirs = (one.estimator(one.rule(), "paper", "cpu") for one in (home, other))
    assert (ours.unroll.horizon, theirs.unroll.horizon) == (ours.window, home.test_steps) == (100, 1000)
    (name, lr, rule), (other_name, other_lr, other_rule) = (beginning(one, 0, 0) for one in (home, other))
    assert (name, lr) == (other_name, other_lr)
    assert all(w.equal(v) for w, v in zip(rule.parameters(), other_rule.parameters(), strict=True))
    clipped, named = recipe("cifar-late-clipped"), {"name", "summary", "shipped", "clip"}
    assert {f.name for f in fields(home) if getattr(other, f.name) != getattr(clipped, f.name)} == named
    assert clipped.training("paper", 0.01) == replace(other.training("paper", 0.01), clip=30)


def test_other_pairs_are_labels_that_cifar_sub5_has_not_seen():
    assert {label for pair in OTHER_PAIRS for label in pair} <= set(FIVE)
    assert not any(set(pair) == set(TWO) for pair in OTHER_PAIRS)
    assert {trial.source for trial in PAIRS.values()} == {"cifar", "cifar-sub5"}
    assert {trial.task("test", "cpu").classes for trial in PAIRS.values()} == set(OTHER_PAIRS)
    of = {source: [t for t in PAIRS.values() if t.source == source] for source in ("cifar", "cifar-sub5")}
    assert [t.family for t in of["cifar"]] == [t.family for t in of["cifar-sub5"]]  # the same problems


@pytest.mark.usefixtures("unseeing")
def test_every_minibatch_of_the_test_holds_five_classes_or_more(drawn):
    trial = recipe("cifar")
    evaluate(RULES["sgd"](0.1), trial.task("test", "cpu"), 3, 100, seed=f"{trial.family}/test")
    minibatches = torch.cat([labels for _, labels in drawn])
    assert minibatches.shape == (303, 128)
    assert min(len(one.unique()) for one in minibatches) >= 5


def test_every_minibatch_of_the_score_holds_five_classes_or_more():
    pieces = CIFARNetwork("score").labels.split(MINIBATCH)
    assert min(len(piece.unique()) for piece in pieces if len(piece) == MINIBATCH) >= 5


def test_accuracy_does_not_depend_on_the_order_of_the_images_unless_they_lie_by_class():
    task, held_out = CIFARNetwork("train", batch_size=32), CIFARNetwork("score")
    ((trained,),) = snapshots(RULES["adam"](0.003), task, 1, [60], seed="order")

    def accuracy(order):
        shown = SimpleNamespace(pixels=held_out.pixels[order], labels=held_out.labels[order], logits=held_out.logits)
        with torch.no_grad():
            return score(shown, trained)[1]

    count = len(held_out.labels)
    orders = [torch.arange(count), *(torch.randperm(count, generator=generator("order", k)) for k in range(2))]
    mixed = [accuracy(order) for order in orders]
    assert min(mixed) > 0.2
    assert max(mixed) - min(mixed) < 0.02
    # what the loader's shuffling is for: one class at a time, normalisation takes away what tells it from the others
    assert accuracy(held_out.labels.argsort()) < min(mixed) - 0.05
