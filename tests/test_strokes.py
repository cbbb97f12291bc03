"""Single pixels: what is told of them is what the run did, in the picture's own coordinates."""

import pytest
import torch
from conformance import seeded, small_lstm

from l2l_core import LogSign, Unroll
from l2l_core.evaluation import generator
from l2l_core.metagrad import draw
from l2l_core.paint import canvas
from l2l_core.rules import SGD, Adam, Reflected
from l2l_core.strokes import PIXELS, SPAN, coordinates, follow
from l2l_core.tree import map_tree, stack

STEPS, MARKS = 6, [0, 4]


@pytest.fixture(scope="module")
def task():
    pictures = (torch.rand(3, side, side, generator=seeded(side)) for side in (16, 32))
    return canvas(*pictures, 16, "random")


def lstm():
    torch.manual_seed(2)
    return small_lstm(features=LogSign())


def path(rule, task):
    """The run that `follow` looks at, without its code: where the picture stands before each step, and its gradient."""
    gen, unroll = generator("behaviour", "strokes"), Unroll(rule, STEPS)
    problem, phi = task.sample(gen), dict(rule.named_parameters())
    with torch.no_grad():
        first = map_tree(lambda d: d[:, 0], draw([problem], 1, gen))
        carry = unroll.start(phi, problem.loss, stack([problem.params]), first)
        points = [carry, *unroll.walk(phi, problem.loss, carry, draw([problem], STEPS, gen))]
    return [torch.stack([getattr(p, key)["picture"].flatten() for p in points]) for key in ("params", "grad")]


def test_pixels_are_green_and_lie_on_the_diagonal():
    flat = torch.arange(3 * 8 * 8).view(3, 8, 8)
    assert coordinates(8) == [int(flat[1, k, k]) for k in (2, 4, 6)]
    assert len(PIXELS) == 3


@pytest.mark.parametrize("wrap", [lambda rule: rule, Reflected], ids=["plain", "reflected"])
def test_updates_are_the_steps_that_the_picture_took(task, wrap):
    rule, where = wrap(lstm()), coordinates(16)
    found = follow(rule, task, {"sgd": SGD(0.5), "adam": Adam(0.1)}, STEPS, MARKS)
    points, grads = path(rule, task)
    for k, pixel in enumerate(found["pixels"]):
        column = points[:, where[k]]
        updates, gradient = torch.tensor(pixel["updates"]["lstm"]), torch.tensor(pixel["gradient"])
        torch.testing.assert_close(updates, column.diff(), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(gradient, grads[:STEPS, where[k]], rtol=1e-3, atol=0)
        torch.testing.assert_close(torch.tensor(pixel["updates"]["sgd"]), -0.5 * gradient, rtol=1e-3, atol=0)
        assert pixel["rms"] == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-3)
        # Adam's first step is a rate long, whatever the gradient
        assert abs(pixel["updates"]["adam"][0]) == pytest.approx(0.1, rel=1e-3)


def test_a_curve_of_gradient_descent_is_a_line_over_the_span(task):
    found = follow(lstm(), task, {"sgd": SGD(0.5)}, STEPS, MARKS)
    assert found["span"] == pytest.approx(SPAN.tolist(), abs=1e-3)
    for pixel in found["pixels"]:
        curves = torch.tensor(pixel["curves"]["sgd"])
        torch.testing.assert_close(curves, (-0.5 * pixel["rms"] * SPAN).expand(2, -1), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda rule: rule, Reflected], ids=["plain", "reflected"])
def test_a_curve_passes_through_the_update_that_was_taken(task, wrap, monkeypatch):
    rule = wrap(lstm())
    pixels = follow(rule, task, {"adam": Adam(0.1)}, STEPS, MARKS)["pixels"]
    for k, pixel in enumerate(pixels):
        shares = [pixel["gradient"][t] / pixel["rms"] for t in MARKS]
        monkeypatch.setattr("l2l_core.strokes.SPAN", torch.tensor(shares))
        again = follow(rule, task, {"adam": Adam(0.1)}, STEPS, MARKS)["pixels"][k]
        for name, updates in pixel["updates"].items():
            passed = [again["curves"][name][place][place] for place in range(len(MARKS))]
            assert passed == pytest.approx([updates[t] for t in MARKS], rel=5e-3)
