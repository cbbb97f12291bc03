"""Small networks on images of digits."""

from math import log

import pytest
import torch
from conformance import seeded
from torch import nn

from l2l_core.data import SPLITS, mnist
from l2l_core.tasks import MNISTNetwork


def test_the_papers_network_has_15910_coordinates():
    assert sum(p.numel() for p in MNISTNetwork().sample(seeded()).params.values()) == 15_910


@pytest.mark.parametrize("split", SPLITS)
def test_a_network_of_zeros_has_the_loss_of_guessing(split):
    problem = MNISTNetwork(split, start_std=0.0, dtype=torch.float64).sample(seeded())
    loss = problem.loss(problem.params, problem.batches(1, seeded())[0])
    torch.testing.assert_close(loss, torch.tensor(log(10), dtype=torch.float64))


@pytest.mark.parametrize(
    ("depth", "width", "activation"), [(1, 20, torch.sigmoid), (2, 7, torch.relu), (0, 20, torch.tanh)]
)
def test_the_loss_is_that_of_pytorchs_own_layers(depth, width, activation):
    task = MNISTNetwork("validation", width, depth, activation, start_std=0.1)
    problem, indices = task.sample(seeded()), task.batches(1, seeded(1))[0]
    x = task.pixels[indices].float() / 255
    for layer in range(depth + 1):
        linear = nn.Linear(*reversed(problem.params[f"{layer}.weight"].shape))
        linear.load_state_dict({kind: problem.params[f"{layer}.{kind}"] for kind in ("weight", "bias")})
        x = linear(x) if layer == depth else activation(linear(x))
    expected = nn.CrossEntropyLoss()(x, task.labels[indices])
    torch.testing.assert_close(problem.loss(problem.params, indices), expected.detach())


def test_minibatches_are_indices_that_the_generator_determines():
    task = MNISTNetwork("score", batch_size=16)
    one, again, other = (task.batches(4, seeded(seed)) for seed in (0, 0, 1))
    assert one.shape == (4, 16)
    assert one.equal(again)
    assert not one.equal(other)
    assert 0 <= int(one.min()) <= int(one.max()) < len(mnist("score").labels)
    assert one.flatten().unique().numel() > 50


def test_a_stream_of_minibatches_does_not_depend_on_how_it_is_cut():
    task, gen = MNISTNetwork("validation"), seeded()
    assert torch.cat([task.batches(t, gen) for t in (1, 2, 4)]).equal(task.batches(7, seeded()))


def test_a_task_draws_images_of_its_own_set_alone():
    for split in SPLITS:
        assert MNISTNetwork(split).pixels.equal(mnist(split).pixels)


@pytest.mark.parametrize(("pool", "coordinates"), [(2, 4_150), (4, 1_210)])
def test_a_pooled_network_sees_the_means_of_squares_of_pixels(pool, coordinates):
    task = MNISTNetwork("validation", pool=pool)
    assert sum(p.numel() for p in task.sample(seeded()).params.values()) == coordinates
    whole = mnist("validation").pixels[:50].view(50, 1, 28, 28).float()
    torch.testing.assert_close(task.pixels[:50], nn.functional.avg_pool2d(whole, pool).flatten(1))
    assert task.source == f"{mnist('validation').source}, averaged over {pool}×{pool} pixels"


def test_a_task_that_does_not_pool_describes_itself_as_before_it_could():
    # checkpoints are told apart by this
    assert "pool" not in repr(MNISTNetwork())
    assert MNISTNetwork().source == mnist("train").source


@pytest.mark.parametrize("pool", [0, 3])
def test_pixels_are_pooled_in_whole_squares(pool):
    with pytest.raises(ValueError, match=f"do not divide into squares of {pool} × {pool}"):
        MNISTNetwork(pool=pool)
