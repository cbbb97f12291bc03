"""Rules that travel with the package."""

import hashlib
import json

import pytest
import torch
from conformance import assert_same

from l2l_core import CoordinatewiseLSTM, load_pretrained, recipe, zoo
from l2l_core.recipes import fresh_rule
from l2l_core.store import save_tensors


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A zoo of one rule."""
    monkeypatch.setattr(zoo, "ZOO", tmp_path)
    put(tmp_path, dict(fresh_rule(recipe("quadratic"), 3).named_parameters()))
    return tmp_path


def put(shelf, weights):
    save_tensors(shelf / "one.safetensors", weights, {})
    card = {"recipe": "quadratic", "sha256": hashlib.sha256((shelf / "one.safetensors").read_bytes()).hexdigest()}
    (shelf / "one.json").write_text(json.dumps(card))


def test_a_rule_comes_back_with_its_weights_and_needs_no_gradients(shelf):
    rule = load_pretrained("one")
    assert_same(dict(rule.named_parameters()), dict(fresh_rule(recipe("quadratic"), 3).named_parameters()))
    assert not any(w.requires_grad for w in rule.parameters())
    assert zoo.pretrained() == ["one"]


def test_an_unknown_name_lists_the_known_ones(shelf):
    with pytest.raises(ValueError, match="no pretrained rule 'two'; there are one"):
        load_pretrained("two")


@pytest.mark.parametrize("where", [0, 500, -1])
def test_a_changed_byte_is_noticed(shelf, where):
    path = shelf / "one.safetensors"
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"one.safetensors is not the file its card describes: sha256 \w+, not \w+"):
        load_pretrained("one")


def test_weights_of_another_shape_are_refused_by_name(shelf):
    put(shelf, dict(CoordinatewiseLSTM(hidden=7).named_parameters()))
    with pytest.raises(
        ValueError, match=r"one.safetensors does not fit this rule: .*expected \(20,\)|\(80, 1\), found"
    ):
        load_pretrained("one")


def test_missing_and_surplus_weights_are_named(shelf):
    weights = dict(fresh_rule(recipe("quadratic"), 3).named_parameters())
    del weights["readout.bias"]
    put(shelf, weights | {"surplus": torch.ones(1)})
    with pytest.raises(ValueError, match=r"readout.bias: expected \(1,\), found nothing; surplus: expected nothing"):
        load_pretrained("one")


def test_a_file_that_is_not_safetensors_is_refused(shelf):
    (shelf / "one.safetensors").write_bytes(b"something else")
    card = {"recipe": "quadratic", "sha256": hashlib.sha256(b"something else").hexdigest()}
    (shelf / "one.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"one.safetensors is not a safetensors file"):
        load_pretrained("one")


def test_a_truncated_file_and_a_truncated_card_are_refused(shelf):
    path = shelf / "one.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not the file its card describes"):
        load_pretrained("one")
    (shelf / "one.json").write_text('{"recipe": "quadr')
    with pytest.raises(ValueError, match=r"one.json is truncated or not JSON"):
        load_pretrained("one")


@pytest.mark.parametrize("name", zoo.pretrained())
def test_every_shipped_rule_loads(name):
    assert sum(w.numel() for w in load_pretrained(name).parameters()) > 0
    assert {"recipe", "seed", "command", "versions", "validation", "test", "sha256"} <= set(zoo.card(name))
