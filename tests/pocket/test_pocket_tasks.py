"""Ten tasks, each a problem with something to find in it."""

import pytest
import torch
from torch.nn.functional import one_hot

from l2l_core import RULES, evaluate
from l2l_core.evaluation import generator
from l2l_core.pocket.data import ALPHABET
from l2l_core.pocket.tasks import BASELINES, POCKET, Recurrent
from l2l_core.rules import HAND_DESIGNED
from l2l_core.tree import map_tree, ravel

every_task = pytest.mark.parametrize("name", POCKET)


def test_every_task_has_a_rate_to_start_from_for_every_baseline():
    assert set(BASELINES) <= set(HAND_DESIGNED)
    assert [list(one.rates) for one in POCKET.values()] == [BASELINES] * 10


@every_task
def test_thirty_steps_of_adam_go_down(name):
    one = POCKET[name]
    losses = evaluate(RULES["adam"](one.rates["adam"]), one.task("train"), 2, 30, seed="down")
    assert losses.isfinite().all()
    assert float(losses[:, -5:].mean()) < 0.95 * float(losses[:, 0].mean())


@every_task
def test_problems_are_small_and_their_losses_positive(name):
    task = POCKET[name].task("test")
    problem = task.sample(generator("size"))
    batch = map_tree(lambda d: d[0], problem.batches(1, generator("batch")))
    assert ravel(problem.params).numel() < 2500
    assert float(problem.loss(problem.params, batch)) > 0


@every_task
def test_only_losses_that_are_noisy_are_averaged(name):
    """A rule that stays where it is sees one loss where there are no minibatches."""
    losses = evaluate(RULES["sgd"](1e-300), POCKET[name].task("test"), 1, 12)
    assert (len(losses.unique()) > 1) == (POCKET[name].average > 1)


def test_the_recurrent_network_is_the_recurrence():
    torch.manual_seed(0)
    net = Recurrent(width=4).double()
    words = torch.randint(len(ALPHABET), (3, 5))
    h = torch.zeros(3, 4, dtype=torch.float64)
    for t in range(5):
        seen = one_hot(words[:, t], len(ALPHABET)).double()
        h = torch.tanh(seen @ net.read.weight.T + h @ net.recur.weight.T + net.recur.bias)
    torch.testing.assert_close(net(words), h @ net.write.weight.T + net.write.bias)
