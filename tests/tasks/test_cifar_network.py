"""The convolutional network is PyTorch's own layers, on the images of its own classes."""

import hashlib
from dataclasses import fields
from math import inf

import pytest
import torch
from conformance import assert_same, seeded
from torch import nn

from l2l_core import CoordinatewiseLSTM, RuleOptimizer, Signal, evaluate, recipe, zoo
from l2l_core.cifar import cifar10
from l2l_core.data import SPLITS
from l2l_core.evaluation import fitting
from l2l_core.recipes import fresh_rule
from l2l_core.recipes.cifar import two_lstms
from l2l_core.rules import SGD, Grouped
from l2l_core.store import save_tensors, write_json
from l2l_core.tasks import CIFARNetwork
from l2l_core.tasks.cifar import CLASSES, kernels_apart
from l2l_core.tasks.wrappers import Noisy
from l2l_core.tree import map_tree, stack
from l2l_core.unroll import gradients


@pytest.fixture(scope="module")
def task():
    return CIFARNetwork("validation", batch_size=12, dtype=torch.float64)


def test_the_network_has_22602_coordinates(task):
    assert sum(p.numel() for p in task.sample(seeded()).params.values()) == 22_602


def test_the_loss_is_that_of_pytorchs_own_layers(task):
    problem, indices = task.sample(seeded()), task.batches(1, seeded(1))[0]
    params = {
        name: p + 0.1 * torch.randn(p.shape, generator=seeded(2), dtype=p.dtype) for name, p in problem.params.items()
    }
    x = task.pixels[indices].double() / 255
    for k in range(3):
        conv = nn.Conv2d(x.shape[1], 16, 5, padding="same", bias=False).double()
        norm = nn.BatchNorm2d(16, track_running_stats=False).double()
        conv.load_state_dict({"weight": params[f"conv{k}.weight"]})
        norm.load_state_dict({"weight": torch.ones(16), "bias": params[f"conv{k}.offset"]})
        x = nn.ReLU()(norm(nn.MaxPool2d(2)(conv(x))))
    x = x.flatten(1)
    for name in ("hidden", "output"):
        linear = nn.Linear(*reversed(params[f"{name}.weight"].shape)).double()
        linear.load_state_dict({kind: params[f"{name}.{kind}"] for kind in ("weight", "bias")})
        x = linear(nn.ReLU()(x) if name == "output" else x)
    expected = nn.CrossEntropyLoss()(x, task.labels[indices])
    torch.testing.assert_close(task.loss(params, indices), expected.detach())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("classes", [tuple(range(10)), (5, 6, 7, 8, 9), (3, 5)])
def test_a_network_sees_all_images_of_its_classes_and_no_others(split, classes):
    task, images = CIFARNetwork(split, classes), cifar10(split)
    mine = [k for k, label in enumerate(images.labels.tolist()) if label in classes]
    assert task.pixels.flatten(1).equal(images.pixels[mine])
    assert [classes[label] for label in task.labels.tolist()] == images.labels[mine].tolist()


def test_drawn_minibatches_hold_no_other_labels():
    for seen, unseen in (((5, 6, 7, 8, 9), (0, 1, 2, 3, 4)), (tuple(range(2, 10)), (0, 1))):
        task, images = CIFARNetwork("train", seen), cifar10("train")
        of_seen = torch.isin(images.labels, torch.tensor(seen)).nonzero()[:, 0]
        drawn = images.labels[of_seen[task.batches(50, seeded()).flatten()]]
        assert not torch.isin(drawn, torch.tensor(unseen)).any()
        assert set(drawn.tolist()) == set(seen)


def crowd(task):
    """The task, which would run its networks together."""

    class Crowd(CIFARNetwork):
        together = inf

    return Crowd(**{field.name: getattr(task, field.name) for field in fields(task) if field.init})


def test_many_networks_at_once_are_each_alone(task):
    gen = seeded()
    starts, batches = stack([task.sample(gen).params for _ in range(3)]), task.batches(3, gen)
    together, values = gradients(task.loss, starts, batches)
    for k in range(3):
        one = {name: p[k : k + 1] for name, p in starts.items()}
        alone, value = gradients(task.loss, one, batches[k : k + 1])
        assert_same(map_tree(lambda g, k=k: g[k : k + 1], together), alone, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(values[k : k + 1], value)


def test_normalisation_does_not_mind_the_order_of_a_minibatch(task):
    params, indices = task.sample(seeded()).params, task.batches(1, seeded(1))[0]
    torch.testing.assert_close(task.loss(params, indices), task.loss(params, indices.flip(0)))


@pytest.mark.parametrize("split", SPLITS)
def test_any_128_images_in_the_order_of_a_set_are_of_five_classes_or_more(split):
    labels = cifar10(split).labels
    assert all(len(piece.unique()) >= 5 for piece in labels.split(128)[:-1])


@pytest.mark.parametrize("std", [0.01, 0.3])
def test_a_start_is_gaussian_but_for_the_offsets(std):
    params = CIFARNetwork("validation", start_std=std).sample(seeded()).params
    drawn = torch.cat([p.flatten() for name, p in params.items() if not name.endswith("offset")])
    assert len(drawn) == 22_602 - 3 * 16
    # the variance of a sample variance of n Gaussians is 2/n, that of a mean 1/n
    assert abs(float(drawn.square().mean() / std**2) - 1) < 4 * (2 / len(drawn)) ** 0.5
    assert abs(float(drawn.mean() / std)) < 4 / len(drawn) ** 0.5
    assert not any(p.any() for name, p in params.items() if name.endswith("offset"))


def test_two_rules_share_the_tensors_between_kernels_and_the_rest(task):
    rule = Grouped({"kernels": CoordinatewiseLSTM(2, 1), "rest": CoordinatewiseLSTM(2, 1)}, kernels_apart)
    groups = rule.split(task.sample(seeded()).params)
    assert set(groups["kernels"]) == {f"conv{k}.weight" for k in range(3)}
    assert set(groups["rest"]) == {f"conv{k}.offset" for k in range(3)} | {
        f"{layer}.{kind}" for layer in ("hidden", "output") for kind in ("weight", "bias")
    }


def test_many_networks_are_trained_by_two_rules_as_each_alone(task):
    rule = two_lstms().double()
    together = evaluate(rule, crowd(task), 3, 4, seed="many", coordinates=2**18)
    alone = torch.cat([evaluate(rule, task, 1, 4, seed="many", first=k) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-7, atol=0)


def test_networks_are_run_one_at_a_time_on_a_cpu(task):
    assert fitting(crowd(task), 2**18) == 2**18 // 22602
    assert fitting(task, 2**18) == fitting(Noisy(task, 0.1), 2**18) == 1


def convolutional():
    """A network of PyTorch's own layers, no tensor of which is called as in the task."""
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def step(net, optimizer):
    pictures, labels = torch.randn(6, 3, 8, 8, generator=seeded(3)), torch.arange(6) % 5
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(pictures), labels).backward()
    optimizer.step()


@pytest.mark.parametrize("named", [True, False], ids=["by name", "without names"])
@pytest.mark.parametrize("other", ["kernels", "rest"])
def test_each_group_of_a_module_is_moved_by_its_own_rule(named, other):
    net = convolutional()
    rates = {key: 0.5 if key == other else 0.25 for key in ("kernels", "rest")}
    rule = Grouped({key: SGD(rate) for key, rate in rates.items()}, kernels_apart)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    step(net, RuleOptimizer(net.named_parameters() if named else net.parameters(), rule))
    for name, p in net.named_parameters():
        rate = rates["kernels" if name == "0.weight" else "rest"]
        assert p.grad.any()
        torch.testing.assert_close(p.detach(), before[name] - rate * p.grad)


def test_a_shipped_rule_trains_any_convolutional_module(tmp_path, monkeypatch):
    # fresh weights, as if they had been trained
    weights, path = dict(fresh_rule(recipe("cifar"), 0).named_parameters()), tmp_path / "cifar-lstm-seed0.safetensors"
    save_tensors(path, weights, {})
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    write_json(path.with_suffix(".json"), {"recipe": "cifar", "sha256": sha256})
    monkeypatch.setattr(zoo, "ZOO", tmp_path)

    net = convolutional()
    optimizer = RuleOptimizer(net.named_parameters(), zoo.load_pretrained("cifar-lstm-seed0"))
    params = {name: p.detach().clone() for name, p in net.named_parameters()}
    rule = fresh_rule(recipe("cifar"), 0)
    state = rule.init(params)
    for t in range(3):
        step(net, optimizer)
        grads = {name: p.grad for name, p in net.named_parameters()}
        with torch.no_grad():
            update, state = rule.update(Signal(grads, None, t, None), state, params)
        params = {name: p + update[name] for name, p in params.items()}
        assert_same({name: p.detach() for name, p in net.named_parameters()}, params, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [(), (3,), (3, 3), (9, 10)])
def test_classes_that_make_no_problem_are_refused(classes):
    with pytest.raises(ValueError, match="two or more different numbers from 0 to 9"):
        CIFARNetwork("validation", classes)


def test_labels_have_names():
    assert len(CLASSES) == len(set(CLASSES)) == 1 + int(cifar10("test").labels.max())
