"""The loss of a picture is content, style and smoothness as Gatys et al. define them."""

from dataclasses import replace

import pytest
import torch
from conformance import assert_same, seeded
from torch import nn

from l2l_core.evaluation import evaluate, generator, in_turn
from l2l_core.images import shown
from l2l_core.perceptual import VGG_LAYERS, gram, squeezenet, total_variation, vgg
from l2l_core.rules import SGD
from l2l_core.tasks.neural_art import FromPhotograph, NeuralArt
from l2l_core.tree import stack
from l2l_core.unroll import gradients

CHANNELS = dict(zip(VGG_LAYERS, (3, 4, 4, 5, 6), strict=True))


def small_vgg():
    """VGG's shape with few channels, in float64."""
    gen, before = seeded(), 3
    weights = {"preprocess.weight": torch.eye(3)[:, :, None, None], "preprocess.bias": torch.zeros(3)}
    for layer, channels in CHANNELS.items():
        weights[f"conv{layer}.weight"] = torch.randn(channels, before, 3, 3, generator=gen) / (9 * before) ** 0.5
        weights[f"conv{layer}.bias"] = torch.randn(channels, generator=gen)
        before = channels
    return {name: w.double() for name, w in weights.items()}


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr("l2l_core.tasks.neural_art.trained", lambda name: small_vgg())
    contents, style = torch.rand(3, 3, 8, 8, generator=seeded(1)), torch.rand(3, 12, 10, generator=seeded(2))
    return NeuralArt(contents.double(), style.double(), "made up", style_weight=1.0, smoothness=0.1)


def in_float64(problem):
    return {name: p.double() for name, p in problem.params.items()}


def test_vgg_is_pytorchs_own_layers():
    weights, picture = small_vgg(), torch.rand(3, 16, 12, generator=seeded(3), dtype=torch.float64)
    x, expected = picture.unsqueeze(0), {}
    for layer in VGG_LAYERS:
        shape = weights[f"conv{layer}.weight"].shape
        conv = nn.Conv2d(shape[1], shape[0], 3, padding=1, padding_mode="reflect").double()
        conv.load_state_dict({kind: weights[f"conv{layer}.{kind}"] for kind in ("weight", "bias")})
        x = nn.ReLU()(conv(x))
        expected[f"relu{layer}"] = x.detach()[0]
        if layer in ("1_2", "2_2"):
            x = nn.MaxPool2d(2)(x)
    assert_same(vgg(weights, picture), expected, rtol=1e-12, atol=1e-12)


def test_squeezenet_is_torchvisions():
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    layers = squeezenet1_1(weights=None).eval().features
    names = {0: "conv1", 3: "fire2", 4: "fire3", 6: "fire4", 7: "fire5"}
    weights = {
        f"{name}.{key}".replace("squeeze.", "squeeze1x1."): w.detach()
        for k, name in names.items()
        for key, w in layers[k].state_dict().items()
    }
    picture = torch.rand(3, 64, 64, generator=seeded())
    x, expected = 255 * picture.flip(0)[None] - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1), {}
    for k, layer in enumerate(layers[:8]):
        # torchvision's pooling rounds sizes up, that of the weights' own network down
        x = (nn.MaxPool2d(3, 2) if isinstance(layer, nn.MaxPool2d) else layer)(x)
        if k in names:
            expected[names[k]] = x.relu().detach()[0]
    assert_same(squeezenet(weights, picture), expected, rtol=1e-4, atol=1e-4)


def test_a_gram_matrix_holds_the_mean_products_of_channels():
    activations = torch.randn(4, 3, 5, generator=seeded(), dtype=torch.float64)
    found = gram(activations)
    expected = torch.tensor([[(a * b).mean() for a in activations] for b in activations])
    torch.testing.assert_close(found, expected)
    # where something is does not matter for how it is painted
    shuffled = activations.flatten(1)[:, torch.randperm(15, generator=seeded(1))].view(4, 5, 3)
    torch.testing.assert_close(gram(shuffled), found)


def test_total_variation_of_a_flat_picture_is_zero_and_of_a_ramp_half_its_slope():
    assert total_variation(torch.full((3, 5, 5), 0.7)) == 0
    ramp = torch.arange(5.0).expand(3, 5, 5)
    for turned in (ramp, ramp.flip(2), ramp.mT, ramp.mT.flip(1)):
        assert total_variation(turned) == 0.5  # one across, none down; or the other way round


def test_the_photograph_has_no_loss_of_content_and_the_painting_none_of_style(task):
    problem = task.problem(1, seeded())
    batch = problem.batches(1, seeded())[0]
    assert task.parts({"picture": task.contents[1]}, batch)["content"] == 0
    assert task.parts({"picture": task.style}, task.style.new_zeros(5, 6, 5))["style"] == 0
    parts = task.parts(in_float64(problem), batch)
    assert all(part > 0 for part in parts.values())
    torch.testing.assert_close(task.loss(in_float64(problem), batch), sum(parts.values()))


@pytest.mark.parametrize("factor", [0.5, 2.0, -1.0])
def test_style_is_measured_in_squares_of_the_paintings_own_gram_matrices(task, factor):
    """(1 − c)²/c² a layer, where a picture's Gram matrices are the painting's divided by c."""
    found = vgg(small_vgg(), task.contents[0])
    object.__setattr__(task, "grams", {layer: factor * gram(found[layer]) for layer in task.style_layers})
    style = task.parts({"picture": task.contents[0]}, found[task.content_layer])["style"]
    assert float(style) == pytest.approx(len(task.style_layers) * (1 - factor) ** 2 / factor**2)


def test_content_is_the_mean_square_at_its_layer_and_each_weight_multiplies_its_own_part(task):
    assert task.content_layer == "relu2_2"
    assert task.style_layers == ("relu1_1", "relu2_1", "relu3_1")
    problem = task.problem(2, seeded())
    point, batch = in_float64(problem), problem.batches(1, seeded())[0]
    one, other = (vgg(small_vgg(), picture)["relu2_2"] for picture in (point["picture"], task.contents[2]))
    plain = task.parts(point, batch)
    assert float(plain["content"]) == pytest.approx(float((one - other).pow(2).mean()))
    assert float(plain["smoothness"]) == pytest.approx(0.1 * float(total_variation(point["picture"])))
    heavier = replace(task, content_weight=2.0, style_weight=3.0, smoothness=0.4).parts(point, batch)
    assert {key: float(heavier[key] / plain[key]) for key in plain} == pytest.approx(
        {"content": 2.0, "style": 3.0, "smoothness": 4.0}
    )


def test_a_task_is_known_by_its_pictures(task):
    """A checkpoint and a curve ask for nothing but the description of a task."""
    again = replace(task, contents=task.contents.clone(), style=task.style.clone())
    assert (repr(again), again) == (repr(task), task)
    for other in (replace(task, contents=task.contents.flip(0)), replace(task, style=task.style.flip(1))):
        assert repr(other) != repr(task)
        assert other != task


def test_its_gradient_is_that_of_finite_differences(task):
    problem = task.problem(0, seeded())
    point, batch = in_float64(problem)["picture"], problem.batches(1, seeded())[0]
    grad, _ = gradients(task.loss, {"picture": point[None]}, batch[None])
    for seed in range(3):
        way = torch.randn(point.shape, generator=seeded(seed), dtype=torch.float64)
        step = 1e-6
        ahead, behind = (task.loss({"picture": point + sign * step * way}, batch) for sign in (1, -1))
        slope = (grad["picture"][0] * way).sum()
        torch.testing.assert_close((ahead - behind) / (2 * step), slope, rtol=1e-4, atol=1e-6)


def test_many_pictures_at_once_are_each_alone(task):
    problems = [task.sample(seeded(k)) for k in range(3)]
    points = stack([in_float64(p) for p in problems])
    batches = torch.stack([p.batches(1, seeded())[0] for p in problems])
    together, values = gradients(task.loss, points, batches)
    for k in range(3):
        alone, value = gradients(task.loss, {"picture": points["picture"][k : k + 1]}, batches[k : k + 1])
        torch.testing.assert_close(together["picture"][k : k + 1], alone["picture"])
        torch.testing.assert_close(values[k : k + 1], value)


def test_problems_differ_in_photograph_and_start(task):
    drawn = [task.sample(seeded(k)) for k in range(20)]
    targets = {float(p.batches(1, seeded())[0].sum()) for p in drawn}
    assert len(targets) == 3
    starts = torch.stack([p.params["picture"] for p in drawn])
    count = starts.numel()
    assert abs(float(starts.mean()) - 0.5) < 4 * 0.1 / count**0.5
    assert abs(float(starts.std()) - 0.1) < 4 * 0.1 / (2 * count) ** 0.5


def test_a_test_goes_round_its_photographs(task):
    """As many problems as photographs show each of them once."""
    shown = [float(task.problem(k, seeded(k)).batches(1, seeded())[0].sum()) for k in range(7)]
    assert len({*shown[:3]}) == 3
    assert shown == [*shown[:3], *shown[:3], shown[0]]
    starts = [task.problem(k, seeded(k)).params["picture"] for k in (0, 3)]
    assert not starts[0].equal(starts[1])


def test_the_harness_goes_round_them_too(task, monkeypatch):
    """Losses at the start, problem by problem, whatever chunks they are run in."""
    weights = {name: w.float() for name, w in small_vgg().items()}
    monkeypatch.setattr("l2l_core.tasks.neural_art.trained", lambda name: weights)
    single = NeuralArt(task.contents.float(), task.style.float(), "made up")
    found = evaluate(SGD(1e-3), single, 4, 1, seed="round", draw=in_turn, coordinates=1)[:, 0]
    together = evaluate(SGD(1e-3), single, 4, 1, seed="round", draw=in_turn)[:, 0]
    torch.testing.assert_close(found, together, rtol=1e-4, atol=0)
    later = evaluate(SGD(1e-3), single, 2, 1, seed="round", draw=in_turn, first=2)[:, 0]
    torch.testing.assert_close(found[2:], later, rtol=1e-4, atol=0)
    for k in range(4):
        problem = single.problem(k, gen := generator("problem", "round", k))
        (target,) = problem.batches(1, gen)
        assert float(found[k]) == pytest.approx(float(single.loss(problem.params, target)), rel=1e-4)


def test_what_is_no_picture_or_no_layer_is_refused(task):
    with pytest.raises(ValueError, match="contents are square pictures"):
        NeuralArt(task.contents[:, :, :4], task.style, "")
    with pytest.raises(ValueError, match="a style is a picture"):
        NeuralArt(task.contents, task.style[0], "")
    with pytest.raises(ValueError, match="'vgg' has no layer relu9_9; it has relu1_1, "):
        NeuralArt(task.contents, task.style, "", style_layers=("relu9_9",))
    with pytest.raises(ValueError, match="'vgg' has no layer relu9_9; it has relu1_1, "):
        NeuralArt(task.contents, task.style, "", content_layer="relu9_9")


def test_a_picture_may_begin_at_its_photograph(task):
    """Then its content is already there, and all chance is gone."""
    warm = FromPhotograph(task.contents, task.style, "made up", style_weight=1.0, smoothness=0.1)
    starts = [warm.problem(1, seeded(k)).params["picture"] for k in range(2)]
    assert all(start.equal(task.contents[1]) for start in starts)
    batch = warm.problem(1, seeded()).batches(1, seeded())[0]
    assert warm.parts({"picture": starts[0]}, batch)["content"] == 0
    # two tasks that differ in their start alone are told apart
    assert repr(warm) != repr(task)
    assert warm != task
    starts[0].zero_()
    assert warm.problem(1, seeded()).params["picture"].equal(task.contents[1])


def test_a_step_leaves_a_picture_finite_and_what_is_shown_in_range(task):
    problem = task.problem(0, seeded())
    point, batch = in_float64(problem), problem.batches(1, seeded())[0]
    for _ in range(3):
        grad, _ = gradients(task.loss, {"picture": point["picture"][None]}, batch[None])
        point = {"picture": point["picture"] - 5 * grad["picture"][0].sign()}  # far beyond any colour
    assert task.loss(point, batch).isfinite()
    decoded = shown(point["picture"])
    assert decoded.shape == (8, 8, 3)
    assert 0 <= decoded.min() <= decoded.max() <= 1
