"""A rule's step as an ONNX file, run by onnxruntime."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from conformance import by_rank, small_lstm
from torch import nn

from l2l_core import Rule, RuleOptimizer, Signal, load_pretrained
from l2l_core.export import export_step, first_state
from l2l_core.rules import SGD, Adam, Forgetful, Grouped, Reflected, Scheduled, constant, cosine
from l2l_core.tree import leaves


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The rule of the MNIST chapter, and a runtime that holds its step."""
    rule = load_pretrained("mnist-lstm")
    return rule, exported(rule, tmp_path_factory.mktemp("onnx"))


def exported(rule, folder):
    export_step(rule, folder / "step.onnx")
    return onnxruntime.InferenceSession(folder / "step.onnx", providers=["CPUExecutionProvider"])


def run(session, rule, gradients):
    """Updates `[t, n]` of the exported step, and its last memory."""
    state, updates = [leaf.numpy() for leaf in first_state(rule, gradients.shape[1])], []
    for g in gradients:
        named = {f"state.{i}": leaf for i, leaf in enumerate(state)}
        update, *state = session.run(None, {"gradient": g.numpy(), **named})
        updates.append(update)
    return torch.tensor(np.array(updates)), [torch.tensor(leaf) for leaf in state]


@torch.no_grad()
def expected(rule, gradients):
    params = {"theta": torch.zeros(gradients.shape[1])}
    state, updates = rule.init(params), []
    for t, g in enumerate(gradients):
        update, state = rule.update(Signal({"theta": g}, None, t, len(gradients)), state, params)
        updates.append(update["theta"])
    return torch.stack(updates), leaves(state)


def gradients(steps, n):
    """Of every size that a network has: from 1 down to 1e-8, and exactly 0."""
    sizes = 10.0 ** -torch.arange(steps).remainder(9).unsqueeze(1)
    drawn = sizes * torch.randn(steps, n, generator=torch.Generator().manual_seed(n))
    drawn[steps // 2] = 0
    return drawn


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_the_exported_step_is_the_rule_for_any_number_of_coordinates(trained, n):
    rule, session = trained
    shown = gradients(25, n)
    (updates, state), (theirs, memory) = run(session, rule, shown), expected(rule, shown)
    torch.testing.assert_close(updates, theirs, rtol=0, atol=1e-6)
    for one, other in zip(state, memory, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_its_inputs_and_outputs_have_one_axis_of_one_name(trained):
    _, session = trained
    named = {value.name: value.shape for value in (*session.get_inputs(), *session.get_outputs())}
    assert list(named)[:2] == ["gradient", "state.0"]
    assert {"update", "next_state.4"} <= set(named)
    assert {shape[0] for shape in named.values()} == {"n"}


def test_a_loop_in_numpy_walks_as_the_optimizer_in_pytorch(trained):
    rule, session = trained
    curvature = np.logspace(-2, 0, 6, dtype=np.float32)
    ours, theta = np.ones(6, dtype=np.float32), nn.Parameter(torch.ones(6))
    optimizer = RuleOptimizer([("theta", theta)], rule)
    state = [leaf.numpy() for leaf in first_state(rule, 6)]
    for _ in range(20):
        named = {f"state.{i}": leaf for i, leaf in enumerate(state)}
        update, *state = session.run(None, {"gradient": curvature * ours, **named})
        ours = ours + update
        theta.grad = torch.tensor(curvature) * theta.detach()
        optimizer.step()
    np.testing.assert_allclose(ours, theta.detach().numpy(), atol=1e-5)


def test_a_rule_without_memory_and_a_schedule_that_asks_nothing_are_exported_and_stay_as_they_were(tmp_path):
    rule, shown = Scheduled(SGD(0.1), constant), gradients(20, 3)
    updates, _ = run(exported(rule, tmp_path), rule, shown)
    torch.testing.assert_close(updates, expected(rule, shown)[0].detach(), rtol=1e-6, atol=1e-7)
    assert rule.training
    assert all(w.requires_grad for w in rule.parameters())


class Decaying(Rule):
    """A rule that looks at θ."""

    def init(self, params):
        return ()

    def update(self, signal, state, params):
        return {name: -0.1 * p for name, p in params.items()}, state


class Clipping(Rule):
    """A rule whose coordinates meet."""

    def init(self, params):
        return ()

    def update(self, signal, state, params):
        return {name: -g / g.abs().max() * torch.arange(len(g)) for name, g in signal.grad.items()}, state


class Counting(Rule):
    """A rule with one memory for all coordinates."""

    def init(self, params):
        return torch.zeros(())

    def update(self, signal, state, params):
        return signal.grad, state + 1


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (Adam(0.1), "Adam needs more than the gradient and its own memory"),
        (Scheduled(SGD(0.1), cosine), "Scheduled needs more than the gradient .* needs the horizon"),
        (Forgetful(small_lstm(), every=2), "Forgetful needs more than the gradient"),
        (Reflected(Grouped({"others": SGD(0.1)}, by_rank)), "export the rule of each group"),
        (Decaying(), "Decaying needs θ itself"),
        (Clipping(), "Clipping does not treat coordinates alike"),
        (Counting(), r"Counting remembers \[\(\)\] of 5 coordinates"),
    ],
)
def test_what_is_no_step_of_gradient_and_memory_is_refused(rule, complaint, tmp_path):
    with pytest.raises(ValueError, match=complaint):
        export_step(rule, tmp_path / "step.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'pip install "l2l-core\[onnx\]"'):
        export_step(SGD(0.1), tmp_path / "step.onnx")
