"""Any rule in an ordinary training loop."""

import copy
import io
import pickle

import pytest
import torch
from conformance import EVERY_RULE, assert_same, by_rank, make, network, small_lstm
from torch import nn

from l2l_core import LogSign, RuleOptimizer, Signal
from l2l_core.rules import SGD, Adam, Grouped, Momentum, Reflected, Scheduled, cosine

every_rule = pytest.mark.parametrize("name", EVERY_RULE)
X = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def module():
    """The network of the conformance tests, as a reader would hold it."""
    torch.manual_seed(7)
    return network().make()


def steps(net, optimizer, count):
    """An ordinary training loop."""
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = net(X).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def values(net):
    return [p.detach().clone() for p in net.parameters()]


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("carry_over", [lambda state: state, copy.deepcopy, through_a_file])
@every_rule
def test_a_run_that_is_saved_and_loaded_midway_goes_on_to_the_bit(name, carry_over):
    net = module()
    optimizer = RuleOptimizer(net.named_parameters(), make(name), horizon=10)
    steps(net, optimizer, 3)
    other = module()
    other.load_state_dict(through_a_file(net.state_dict()))
    resumed = RuleOptimizer(other.named_parameters(), make(name), horizon=10)
    resumed.load_state_dict(carry_over(optimizer.state_dict()))
    assert_same(steps(net, optimizer, 4), steps(other, resumed, 4))
    assert_same(values(net), values(other))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_module_and_optimizer_goes_on_to_the_bit_and_by_itself(again):
    net = module()
    rule = Reflected(Scheduled(small_lstm().double(), cosine), seed=2)
    optimizer = RuleOptimizer(net.named_parameters(), rule, horizon=10)
    steps(net, optimizer, 3)
    other, copied = again((net, optimizer))
    ours = steps(net, optimizer, 4)
    assert_same(ours, steps(other, copied, 4))
    assert copied.rule is not optimizer.rule
    assert copied.horizon == 10


def test_tensors_names_and_groups_are_taken_as_pytorch_takes_them():
    def walked(params):
        net = module()
        steps(net, RuleOptimizer(params(net), Adam(0.1)), 4)
        return values(net)

    whole = walked(lambda net: net.parameters())
    assert_same(walked(lambda net: net.named_parameters()), whole)
    assert_same(walked(lambda net: [{"params": [p]} for p in net.parameters()]), whole)
    assert_same(walked(lambda net: [{"params": [pair]} for pair in net.named_parameters()]), whole)


def test_a_rule_sees_the_names_of_the_parameters_and_numbers_where_there_are_none():
    seen = []

    class Curious(SGD):
        def update(self, signal, state, params):
            seen.append((list(params), signal.step, signal.horizon))
            return super().update(signal, state, params)

    net = nn.Linear(2, 1)
    net(torch.ones(2)).backward()
    RuleOptimizer(net.named_parameters(), Curious(0.1), horizon=5).step()
    optimizer = RuleOptimizer(net.parameters(), Curious(0.1))
    optimizer.step()
    optimizer.step()
    assert seen == [(["weight", "bias"], 0, 5), (["0", "1"], 0, None), (["0", "1"], 1, None)]


def test_groups_have_learning_rates_and_memories_of_their_own():
    net, twin = module(), module()
    groups = [{"params": net.one.parameters(), "lr": 0.5}, {"params": net.two.parameters()}]
    theirs = [{"params": twin.one.parameters(), "lr": 0.05}, {"params": twin.two.parameters(), "lr": 0.1}]
    steps(net, RuleOptimizer(groups, Momentum(0.1)), 5)
    steps(twin, torch.optim.SGD(theirs, momentum=0.9), 5)
    assert_same(values(net), values(twin), rtol=1e-12, atol=1e-12)


def test_a_group_added_later_begins_at_its_own_step_zero():
    net, twin = module(), module()
    ours = RuleOptimizer(net.one.parameters(), Adam(0.1))
    theirs = torch.optim.Adam(twin.one.parameters(), 0.1)
    for some, optimizer in ((net, ours), (twin, theirs)):
        steps(some, optimizer, 3)
        optimizer.add_param_group({"params": list(some.two.parameters())})
        steps(some, optimizer, 3)
    assert_same(values(net), values(twin), rtol=1e-10, atol=1e-12)


def test_a_learning_rate_scheduler_works_as_on_pytorchs_optimizers():
    net, twin = module(), module()
    ours, theirs = RuleOptimizer(net.parameters(), Adam(1.0), lr=0.1), torch.optim.Adam(twin.parameters(), 0.1)
    for some, optimizer in ((net, ours), (twin, theirs)):
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
        for _ in range(6):
            steps(some, optimizer, 1)
            scheduler.step()
    assert_same(values(net), values(twin), rtol=1e-10, atol=1e-12)


@every_rule
def test_frozen_tensors_stand_still_as_if_they_were_not_there(name):
    net, twin = module(), module()
    for some in (net, twin):
        some.one.requires_grad_(False)
    steps(net, RuleOptimizer(net.named_parameters(), make(name), horizon=9), 3)
    trained = [(name, p) for name, p in twin.named_parameters() if p.requires_grad]
    steps(twin, RuleOptimizer(trained, make(name), horizon=9), 3)
    assert_same(values(net), values(twin))
    assert_same(values(net.one), values(module().one))


def test_a_module_that_is_frozen_whole_is_left_alone():
    net = module().requires_grad_(False)
    optimizer = RuleOptimizer(net.parameters(), SGD(0.1))
    optimizer.step()
    assert_same(values(net), values(module()))


@every_rule
def test_a_tensor_without_a_gradient_stands_still_and_shows_zero(name):
    net, twin = module(), module()
    ours, theirs = (RuleOptimizer(m.named_parameters(), make(name), horizon=9) for m in (net, twin))
    for step in range(4):
        for some, optimizer in ((net, ours), (twin, theirs)):
            optimizer.zero_grad()
            some(X).square().mean().backward()
            if step == 1:
                some.two.bias.grad = None if some is net else torch.zeros_like(some.two.bias)
            before = some.two.bias.detach().clone()
            optimizer.step()
            if step == 1:
                moved = some.two.bias.detach().clone()
                some.two.bias.data.copy_(before)
                assert some is twin or moved.equal(before)
    assert_same(values(net), values(twin))


def test_a_step_before_any_gradient_moves_nothing():
    net = module()
    RuleOptimizer(net.parameters(), small_lstm().double()).step()
    assert_same(values(net), values(module()))


def test_a_closure_is_evaluated_once_with_gradients_and_its_loss_is_shown_and_returned():
    shown = []

    class Curious(SGD):
        def update_many(self, phi, signal, state, params):
            shown.append(signal.loss[0])
            return super().update_many(phi, signal, state, params)

    net = module()
    optimizer = RuleOptimizer(net.parameters(), Curious(0.1))

    def closure():
        optimizer.zero_grad()
        loss = net(X).square().mean()
        loss.backward()
        return loss

    expected = net(X).square().mean().detach()
    before = values(net)
    returned = optimizer.step(closure)
    assert returned.detach().equal(expected)
    assert shown[0].equal(expected)
    assert not shown[0].requires_grad
    assert not values(net)[0].equal(before[0])


def test_gradients_in_any_memory_layout_give_the_same_step():
    def stepped(layout):
        w = nn.Parameter(torch.arange(24, dtype=torch.float64).view(1, 4, 2, 3).contiguous())
        w.grad = layout(torch.arange(24, dtype=torch.float64).sin().view(1, 4, 2, 3))
        RuleOptimizer([w], Reflected(small_lstm().double())).step()
        return w.detach()

    torch.manual_seed(0)
    plain = stepped(lambda g: g)
    torch.manual_seed(0)
    strange = stepped(lambda g: g.contiguous(memory_format=torch.channels_last))
    assert_same(plain, strange)


def test_one_precision_and_device_a_group():
    mixed = [torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.float64, requires_grad=True)]
    for p in mixed:
        p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match=r"one group, one dtype and device; got .*float32.*float64.*several groups"):
        RuleOptimizer(mixed, SGD(0.1)).step()
    RuleOptimizer([{"params": [p]} for p in mixed], SGD(0.1)).step()
    assert_same([p.detach() for p in mixed], [p.detach() for p in (0.9 * torch.ones(2), 0.9 * torch.ones(2).double())])


def test_a_state_of_another_rule_is_refused():
    net, other = module(), module()
    adam = RuleOptimizer(net.parameters(), Adam(0.1))
    steps(net, adam, 1)
    lstm = RuleOptimizer(other.parameters(), small_lstm().double())
    lstm.load_state_dict(adam.state_dict())
    with pytest.raises(ValueError, match="state of another rule or of other parameters"):
        steps(other, lstm, 1)


def test_an_empty_group_is_left_alone_and_the_others_move_as_without_it():
    net, twin = module(), module()
    steps(net, RuleOptimizer([{"params": []}, {"params": net.parameters()}], SGD(0.1)), 1)
    steps(twin, RuleOptimizer(twin.parameters(), SGD(0.1)), 1)
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("lr", [-1.0, float("nan")])
def test_a_learning_rate_must_not_be_negative(lr):
    with pytest.raises(ValueError, match="lr must not be negative"):
        RuleOptimizer([torch.ones(1, requires_grad=True)], SGD(0.1), lr=lr)


def test_groups_by_name_find_their_rules_in_a_readers_module():
    rule = Grouped({"first": SGD(0.1), "rest": SGD(0.2)}, lambda name, shape: "first" if "one." in name else "rest")
    net, twin = module(), module()
    steps(net, RuleOptimizer(net.named_parameters(), rule), 3)
    theirs = [{"params": twin.one.parameters()}, {"params": [*twin.two.parameters(), twin.gain], "lr": 0.2}]
    steps(twin, torch.optim.SGD(theirs, 0.1), 3)
    assert_same(values(net), values(twin), rtol=1e-12, atol=1e-12)


def test_the_rule_itself_is_not_trained():
    net, rule = module(), small_lstm().double()
    before = [w.detach().clone() for w in rule.parameters()]
    steps(net, RuleOptimizer(net.parameters(), rule), 3)
    assert_same([w.detach() for w in rule.parameters()], before)
    assert all(w.grad is None for w in rule.parameters())
    assert Signal({}, None, 0, None).horizon is None


def test_two_tensors_of_one_name_in_a_group_are_refused():
    one, other = nn.Linear(2, 1), nn.Linear(2, 1)
    with pytest.raises(ValueError, match="names must differ within a group, not so bias, weight"):
        RuleOptimizer([*one.named_parameters(), *other.named_parameters()], SGD(0.1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_rule_in_another_precision_than_the_parameters_is_refused_and_moved_serves(dtype):
    net = nn.Linear(3, 2).to(dtype)
    net(torch.ones(3, dtype=dtype)).sum().backward()
    rule = Grouped({"matrices": small_lstm(features=LogSign()), "others": SGD(0.1)}, by_rank)
    with pytest.raises(ValueError, match=rf"are {dtype} on cpu, .*float32 on cpu: pass rule.to\('cpu', {dtype}"):
        RuleOptimizer(net.parameters(), rule).step()
    before = values(net)
    RuleOptimizer(net.parameters(), rule.to("cpu", dtype)).step()
    assert not any(p.equal(q) for p, q in zip(values(net), before, strict=True))


def test_a_memory_is_loaded_in_the_precision_of_the_tensors_that_take_part():
    frozen = nn.Parameter(torch.ones(3, dtype=torch.bfloat16), requires_grad=False)
    w, twin = (nn.Parameter(torch.ones(4)) for _ in range(2))
    ours, theirs = RuleOptimizer([frozen, w], Adam(0.1)), torch.optim.Adam([twin], 0.1)
    for step in range(4):
        for p, optimizer in ((w, ours), (twin, theirs)):
            p.grad = torch.full((4,), 1 / (3 + step))
            optimizer.step()
        resumed = RuleOptimizer([frozen, w], Adam(0.1))
        resumed.load_state_dict(through_a_file(ours.state_dict()))
        ours = resumed
    torch.testing.assert_close(w, twin)


def test_a_module_frozen_whole_at_first_moves_once_it_is_freed():
    net, twin = module().requires_grad_(False), module()
    ours, theirs = (RuleOptimizer(m.parameters(), Adam(0.1)) for m in (net, twin))
    ours.step()
    net.requires_grad_(True)
    steps(net, ours, 2), steps(twin, theirs, 2)
    assert_same(values(net), values(twin))


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError, match="must be a Rule"):
        RuleOptimizer([torch.zeros(2, requires_grad=True)], "mnist-lstm")
