"""Trained rules that travel with the package."""

import hashlib
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from l2l_core.recipes import fresh_rule, recipe
from l2l_core.rule import Rule
from l2l_core.store import read_json
from l2l_core.tree import Params

ZOO = Path(__file__).parent / "zoo"


def pretrained() -> list[str]:
    """The names of all shipped rules."""
    return sorted(path.stem for path in ZOO.glob("*.json"))


def meta_seeds(recipe: str) -> list[str]:
    """The names of the shipped rules of one recipe, in the order of their meta-seeds."""
    cards = {name: card(name) for name in pretrained()}
    return sorted((name for name in cards if cards[name]["recipe"] == recipe), key=lambda name: cards[name]["seed"])


def card(name: str) -> dict[str, Any]:
    """What is known of a shipped rule: recipe, seed, command, versions, scores, sha256.

    Raises ValueError, naming those there are, for an unknown one.
    """
    path = ZOO / f"{name}.json"
    if not path.exists():
        raise ValueError(f"no pretrained rule {name!r}; there are {', '.join(pretrained()) or 'none'}")
    return read_json(path)


def load_pretrained(name: str) -> Rule:
    """A trained rule by name ("quadratic-lstm", "mnist-lstm", …), from the package, without a network.

    Raises ValueError for an unknown name, a file whose sha256 is not the card's, or weights of another shape.
    """
    facts = card(name)
    path = ZOO / f"{name}.safetensors"
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != facts["sha256"]:
        raise ValueError(f"{path.name} is not the file its card describes: sha256 {found}, not {facts['sha256']}")
    try:
        weights = load(content)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file ({error})") from error
    return with_weights(fresh_rule(recipe(facts["recipe"]), seed=0), weights, path.name)


def with_weights(rule: Rule, weights: Params, origin: str) -> Rule:
    """`rule` holding `weights`. Raises ValueError, naming what differs, if names or shapes do not match."""
    expected = {name: tuple(w.shape) for name, w in rule.named_parameters()}
    found = {name: tuple(w.shape) for name, w in weights.items()}
    if expected != found:
        wrong = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        detail = "; ".join(
            f"{k}: expected {expected.get(k, 'nothing')}, found {found.get(k, 'nothing')}" for k in wrong
        )
        raise ValueError(f"{origin} does not fit this rule: {detail}")
    rule.load_state_dict(weights)
    return rule.requires_grad_(False)
