"""A reader's own module, criterion and data as a task."""

import pytest
import torch
from conformance import assert_same, make, seeded
from torch import nn

from l2l_core import TASKS, evaluate, from_module
from l2l_core.tasks import MNISTNetwork

X, Y = torch.randn(12, 3, generator=seeded(1)), torch.arange(12) % 4


def network():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4))


def test_a_module_is_the_task_that_one_would_write_by_hand():
    by_hand = MNISTNetwork("validation", width=6)
    task = from_module(
        lambda: nn.Sequential(nn.Linear(784, 6), nn.Sigmoid(), nn.Linear(6, 10)),
        nn.functional.cross_entropy,
        by_hand.pixels.float() / 255,
        by_hand.labels,
    )
    start = by_hand.sample(seeded()).params
    renamed = {name.replace("1.", "2."): p for name, p in start.items()}
    batch, again = (t.batches(2, seeded(3)) for t in (by_hand, task))
    assert batch.equal(again)
    one, other = (torch.func.grad_and_value(t.loss)(p, batch[0]) for t, p in ((by_hand, start), (task, renamed)))
    torch.testing.assert_close(list(one[0].values()), list(other[0].values()))
    torch.testing.assert_close(one[1], other[1])


def test_a_problem_is_a_fresh_module_that_the_generator_determines():
    task = from_module(network, nn.functional.cross_entropy, X, Y)
    gen, twin = seeded(), seeded()
    one, next_one, again = task.sample(gen), task.sample(gen), task.sample(twin)
    assert_same(one.params, again.params)
    assert not one.params["0.weight"].equal(next_one.params["0.weight"])
    assert not any(p.requires_grad for p in one.params.values())


def test_sampling_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    from_module(network, nn.functional.cross_entropy, X, Y).sample(seeded())
    assert torch.get_rng_state().equal(before)


def test_every_learned_rule_can_be_run_on_it():
    curves = evaluate(make("lstm-reflected").float(), from_module(network, nn.functional.cross_entropy, X, Y), 2, 4)
    assert curves.shape == (2, 5)
    assert curves.isfinite().all()
    assert TASKS["module"] is from_module


def test_weights_that_two_layers_share_stay_one():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))

    problem = from_module(Tied, nn.functional.mse_loss, X, X).sample(seeded())
    assert list(problem.params) == ["a.weight", "a.bias", "b.bias"]
    loss = problem.loss(problem.params, torch.arange(5))
    w, a, b = problem.params.values()
    expected = nn.functional.mse_loss(torch.tanh(X[:5] @ w.T + a) @ w.T + b, X[:5])
    torch.testing.assert_close(loss, expected)


def test_data_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="must pair up, got 12 and 11"):
        from_module(network, nn.functional.cross_entropy, X, Y[:-1])


def test_a_module_with_state_beside_its_parameters_is_refused():
    with pytest.raises(ValueError, match=r"running_mean.*pure function.*track_running_stats=False"):
        from_module(lambda: nn.BatchNorm1d(3), nn.functional.mse_loss, X, X)
    from_module(lambda: nn.BatchNorm1d(3, track_running_stats=False), nn.functional.mse_loss, X, X)


def test_frozen_parameters_stay_out_of_theta_and_are_the_same_for_every_problem():
    def half_frozen():
        net = network()
        net[0].requires_grad_(False)
        net.register_parameter("count", nn.Parameter(torch.tensor(3), requires_grad=False))
        return net

    torch.manual_seed(11)
    task = from_module(half_frozen, nn.functional.cross_entropy, X, Y, batch_size=4)
    torch.manual_seed(12)
    again = from_module(half_frozen, nn.functional.cross_entropy, X, Y, batch_size=4)
    assert list(task.sample(seeded()).params) == ["2.weight", "2.bias"]
    assert evaluate(make("adam").float(), task, 2, 3).equal(evaluate(make("adam").float(), again, 2, 3))


def test_a_module_with_nothing_to_train_is_refused():
    for make_module in (nn.Identity, lambda: network().requires_grad_(False)):
        with pytest.raises(ValueError, match="nothing to train"):
            from_module(make_module, nn.functional.mse_loss, X, X)


def test_data_that_are_not_tensors_are_refused():
    for inputs, targets in ((X.numpy(), Y), (X, Y.tolist())):
        with pytest.raises(TypeError, match=r"must be tensors, got (ndarray, Tensor|Tensor, list)"):
            from_module(network, nn.functional.cross_entropy, inputs, targets)


def test_dropout_is_no_pure_function_and_off_in_evaluation_mode():
    def dropping():
        return nn.Sequential(*network(), nn.Dropout(0.5))

    with pytest.raises(RuntimeError, match="random"):
        evaluate(make("sgd"), from_module(dropping, nn.functional.cross_entropy, X, Y), 2, 1)
    one = evaluate(make("sgd"), from_module(lambda: dropping().eval(), nn.functional.cross_entropy, X, Y), 2, 1)
    assert_same(one, evaluate(make("sgd"), from_module(network, nn.functional.cross_entropy, X, Y), 2, 1))


def test_make_must_build_a_module_a_call():
    with pytest.raises(TypeError, match="must build a fresh module at each call"):
        from_module(network(), nn.functional.cross_entropy, X, Y)
    one = network()
    with pytest.raises(ValueError, match="the same one twice"):
        from_module(lambda: one, nn.functional.cross_entropy, X, Y)


def test_an_empty_minibatch_is_refused():
    with pytest.raises(ValueError, match="batch_size = 0"):
        from_module(network, nn.functional.cross_entropy, X, Y, batch_size=0)
