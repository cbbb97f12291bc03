"""Weights are whole, or named as missing; whoever's they are, their filters are equally loud."""

import pytest
import torch
from conformance import assert_same, seeded

from l2l_core import perceptual_weights
from l2l_core.perceptual import NETWORKS, vgg
from l2l_core.perceptual_weights import CHANNELS, STORED, from_torchvision, normalised, present, trained, untrained


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """A data folder of one's own, with nothing in it, and nothing remembered."""
    trained.cache_clear()
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    yield tmp_path
    trained.cache_clear()


@pytest.fixture
def layout():
    """Torchvision's own layers up to conv3_1, with random weights, and the state that its files hold."""
    models = pytest.importorskip("torchvision.models.vgg")
    torch.manual_seed(0)
    features = models.make_layers([64, 64, "M", 128, 128, "M", 256]).double()
    return features, {f"features.{name}": w for name, w in features.state_dict().items()}


def doubled(weights):
    return {name: w.double() for name, w in weights.items()}


@pytest.mark.parametrize("name", STORED)
def test_missing_and_corrupt_weights_say_so(name, nothing):
    with pytest.raises(FileNotFoundError, match=f"no weights for '{name}'"):
        trained(name)
    (nothing / "perceptual").mkdir()
    (nothing / "perceptual" / STORED[name][0]).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is corrupt: its sha256 is"):
        trained(name)
    with pytest.raises(ValueError, match="unknown perceptual network 'resnet'; there are vgg, squeezenet, torchvision"):
        trained("resnet")


def test_torchvisions_layout_is_read_layer_by_layer(layout):
    features, state = layout
    picture = torch.rand(3, 16, 12, generator=seeded(3), dtype=torch.float64)
    mean, deviation = (torch.tensor(v).double().view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x, expected = (picture - mean) / deviation, []
    for layer in features:
        x = layer(x)
        if isinstance(layer, torch.nn.ReLU):
            expected.append(x.detach())
    found = NETWORKS["torchvision"](doubled(from_torchvision(state)), picture)
    assert [*found] == ["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1"]
    assert_same([*found.values()], expected, rtol=1e-5, atol=1e-5)


def test_every_filter_has_mean_activation_one_and_says_what_it_said_before(layout):
    """a' = a/m, with m the filter's own mean over all places of all pictures."""
    _, state = layout
    raw, pictures = doubled(from_torchvision(state)), torch.rand(2, 3, 16, 16, generator=seeded(1)).double()
    found = normalised(raw, pictures)
    before, after = ([NETWORKS["torchvision"](w, picture) for picture in pictures] for w in (raw, found))
    for layer in before[0]:
        plain, scaled = (torch.stack([one[layer] for one in many]) for many in (before, after))
        mean = plain.mean((0, 2, 3), keepdim=True)
        loud = mean.flatten() > 0
        torch.testing.assert_close(scaled.mean((0, 2, 3))[loud], torch.ones(int(loud.sum())).double())
        torch.testing.assert_close(scaled[:, loud], (plain / mean)[:, loud])
        assert not scaled[:, ~loud].any()


def test_untrained_filters_are_as_many_as_vggs_and_keep_the_size_of_what_they_see():
    weights = untrained(seeded())
    assert {layer: len(weights[f"conv{layer}.weight"]) for layer in CHANNELS} == CHANNELS
    found = vgg(weights, torch.rand(3, 32, 32, generator=seeded(1)))
    sizes = torch.stack([one.square().mean() for one in found.values()])
    assert 0.1 < sizes.min() <= sizes.max() < 10


def test_random_filters_are_the_same_every_time(nothing):
    first = trained("random")
    trained.cache_clear()
    assert_same(trained("random"), first, rtol=0, atol=0)


def test_where_there_is_no_network_random_filters_stand_in_and_say_so(nothing, monkeypatch, capsys, layout):
    with pytest.raises(FileNotFoundError, match="no weights for 'vgg'"):
        present()  # L2L_DATA is set: never a fallback
    monkeypatch.delenv("L2L_DATA")

    def refuse():
        raise FileNotFoundError("torchvision's VGG-19 cannot be had here (URLError)")

    monkeypatch.setattr(perceptual_weights, "_downloaded", refuse)
    assert present() == "random"
    assert "Random filters of VGG's shape stand in" in capsys.readouterr().out
    state = {name: w.float() for name, w in layout[1].items()}
    monkeypatch.setattr(perceptual_weights, "_downloaded", lambda: state)
    assert present() == "torchvision"
    assert "another setting" in capsys.readouterr().out
