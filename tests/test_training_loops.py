"""A trained rule under training code that knows nothing but `torch.optim.Optimizer`."""

import io
import random

import pytest
import torch
from torch import nn

from l2l_core import RuleOptimizer, load_pretrained

X = torch.randn(96, 8, generator=torch.Generator().manual_seed(0))
Y = (X @ torch.randn(8, 3, generator=torch.Generator().manual_seed(1))).argmax(1)


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3))


def learned(params, lr=1.0):
    return RuleOptimizer(params, load_pretrained("mnist-lstm"), lr=lr)


def batches(epochs, size=24):
    order = random.Random(4)
    for _ in range(epochs):
        rows = order.sample(range(96), 96)
        for start in range(0, 96, size):
            yield X[rows[start : start + size]], Y[rows[start : start + size]]


def values(net):
    return [p.detach().clone() for p in net.parameters()]


def same(one, other):
    return all(p.equal(q) for p, q in zip(values(one), values(other), strict=True))


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


class Trainer:
    """A loop in the manner of Hugging Face's: groups with and without decay, warm-up, accumulation, clipping."""

    def __init__(self, model, optimizer, accumulate=2, steps=12):
        self.model, self.optimizer, self.accumulate = model, optimizer, accumulate
        warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: min(1, (k + 1) / 3) * max(0, 1 - k / steps))
        self.scheduler, self.losses = warm, []
        assert isinstance(optimizer, torch.optim.Optimizer)
        # accelerate moves a fresh optimizer's state by loading it again
        optimizer.load_state_dict(optimizer.state_dict())

    def train(self, data):
        for k, (x, y) in enumerate(data, 1):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = nn.functional.cross_entropy(self.model(x), y) / self.accumulate
            loss.backward()
            self.losses.append(self.accumulate * float(loss.detach()))
            if k % self.accumulate == 0:
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optimizer.step()
                self.scheduler.step()
                self.optimizer.zero_grad(set_to_none=True)

    def checkpoint(self):
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return through_a_file({name: part.state_dict() for name, part in parts.items()})

    def resume(self, found):
        for name, state in found.items():
            getattr(self, name).load_state_dict(state)


def trainer():
    net = network()
    matrices, others = ([p for p in net.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.0}, {"params": others, "weight_decay": 0.0}]
    return Trainer(net, learned(groups))


def test_a_trainers_loop_trains_a_network():
    loop = trainer()
    loop.train(batches(6))
    assert sum(loop.losses[-4:]) < 0.5 * sum(loop.losses[:4])
    assert all(p.dtype == torch.float32 for p in loop.model.parameters())


def test_a_trainers_run_that_is_resumed_from_a_file_ends_with_the_same_bits():
    data, whole, first = list(batches(6)), trainer(), trainer()
    whole.train(data)
    first.train(data[:10])
    second = trainer()
    second.resume(first.checkpoint())
    second.train(data[10:])
    assert same(whole.model, second.model)
    assert first.losses + second.losses == whole.losses


def test_accumulated_gradients_are_one_step_of_the_larger_minibatch():
    one, other = network(), network()
    ours, theirs = learned(one.parameters()), learned(other.parameters())
    for x, y in batches(4):
        nn.functional.cross_entropy(one(x), y).backward()
        for half in range(2):
            part = slice(12 * half, 12 * half + 12)
            (nn.functional.cross_entropy(other(x[part]), y[part]) / 2).backward()
        for optimizer in (ours, theirs):
            optimizer.step()
            optimizer.zero_grad()
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


class Module:
    """What Lightning's users write: a loss for a batch, and the optimizers."""

    def __init__(self):
        self.net = network()

    def training_step(self, batch):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = learned(self.net.named_parameters(), lr=0.3)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 24)


class Fabric:
    """A loop in the manner of Lightning's: the closure does everything, and `step` calls it."""

    def __init__(self, module):
        self.module = module
        self.optimizer, self.scheduler = module.configure_optimizers()
        self.calls = 0

    def fit(self, data):
        for batch in data:

            def closure(batch=batch):
                self.calls += 1
                self.optimizer.zero_grad()
                loss = self.module.training_step(batch)
                loss.backward()
                return loss

            yield float(self.optimizer.step(closure=closure).detach())
            self.scheduler.step()

    def checkpoint(self):
        states = {"state_dict": self.module.net.state_dict(), "optimizer_states": [self.optimizer.state_dict()]}
        return through_a_file({**states, "lr_schedulers": [self.scheduler.state_dict()]})

    def resume(self, found):
        self.module.net.load_state_dict(found["state_dict"])
        self.optimizer.load_state_dict(found["optimizer_states"][0])
        self.scheduler.load_state_dict(found["lr_schedulers"][0])


def test_a_closures_loop_trains_a_network_and_evaluates_once_a_step():
    loop = Fabric(Module())
    losses = list(loop.fit(batches(6)))
    assert loop.calls == len(losses) == 24
    assert sum(losses[-4:]) < 0.75 * sum(losses[:4])


def test_a_closures_run_that_is_resumed_from_a_file_ends_with_the_same_bits():
    data, whole, first, second = list(batches(6)), Fabric(Module()), Fabric(Module()), Fabric(Module())
    losses = list(whole.fit(data))
    before = list(first.fit(data[:9]))
    second.resume(first.checkpoint())
    assert before + list(second.fit(data[9:])) == losses
    assert same(whole.module.net, second.module.net)


def scaled_steps(scale, factors=None):
    """A loop with a gradient scaler; the k-th loss is multiplied by `factors[k]`."""
    net = network()
    optimizer, scaler = learned(net.parameters()), torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1000)
    for (x, y), factor in zip(batches(2), factors or [1.0] * 8, strict=True):
        optimizer.zero_grad()
        scaler.scale(factor * nn.functional.cross_entropy(net(x), y)).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return net, optimizer


def test_a_scaled_loss_gives_the_same_walk():
    # a power of two scales without rounding, and the scaler divides it out before the rule sees anything
    assert same(scaled_steps(1.0)[0], scaled_steps(2.0**10)[0])


def test_a_step_that_overflows_is_left_out_and_the_rules_memory_does_not_see_it():
    overflow = [1.0] * 4 + [float("inf")] + [1.0] * 3
    net, optimizer = scaled_steps(1.0, overflow)
    assert all(p.isfinite().all() for p in net.parameters())
    (memory,) = optimizer.state.values()
    assert memory["step"] == 7
    assert all(leaf.isfinite().all() for leaf in memory["leaves"])


def test_a_step_within_autocast_is_the_step_outside_of_it():
    one, other = network(), network()
    ours, theirs = learned(one.parameters()), learned(other.parameters())
    for x, y in batches(1):
        for net, optimizer in ((one, ours), (other, theirs)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
        ours.step()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            theirs.step()
    assert same(one, other)


@pytest.mark.parametrize("factor", [0.0, 0.25])
def test_a_rate_multiplies_the_update_and_leaves_the_memory_alone(factor):
    one, other = network(), network()
    ours, theirs = learned(one.parameters()), learned(other.parameters())
    theirs.param_groups[0]["lr"] = factor
    (x, y), before = next(batches(1)), values(one)
    for net, optimizer in ((one, ours), (other, theirs)):
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    for start, full, part in zip(before, values(one), values(other), strict=True):
        torch.testing.assert_close(part, start + factor * (full - start))
    (memory,), (twin,) = ours.state.values(), theirs.state.values()
    assert all(a.equal(b) for a, b in zip(memory["leaves"], twin["leaves"], strict=True))
