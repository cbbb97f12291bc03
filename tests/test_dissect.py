"""What is stored of a recipe's meta-gradients: at its checkpoints, and along a run's first meta-steps."""

from math import inf, nan

import pytest

from l2l_core import RECIPES
from l2l_core.anatomy import weights_of
from l2l_core.dissect import SIZES, dissect, states, taken_apart
from l2l_core.recipes import fresh_rule
from l2l_core.store import load_tensors, save_tensors
from l2l_core.tree import ravel


@pytest.fixture
def checkpoints(tmp_path):
    """Two meta-seeds of `mnist`, whose last weights are twice the selected ones."""
    for seed in (0, 1):
        phi = weights_of(fresh_rule(RECIPES["mnist"], seed))
        tensors = {f"best.{k}": w for k, w in phi.items()} | {f"phi.{k}": 2 * w for k, w in phi.items()}
        history = [{"meta_step": 0, "validation": 2.3}, {"meta_step": 10, "validation": 0.5}]
        facts = {"history": history, "best_score": 0.5, "step": 15}
        save_tensors(
            tmp_path / "mnist" / "paper" / f"seed{seed}" / "restart0" / "checkpoint.safetensors", tensors, facts
        )
    return tmp_path


def test_checkpoints_are_opened_at_their_selected_and_their_last_weights_with_and_without_the_mirror(checkpoints):
    known, rules, phis = zip(*states(RECIPES["mnist"], checkpoints), strict=True)
    each = ["selected", "selected, not reflected", "last"]
    assert [k["weights"] for k in known] == ["fresh", *each, *each]
    assert [k.get("meta_step") for k in known] == [None, 10, 10, 15, 10, 10, 15]
    selected, inner, last = phis[1:4]
    assert (ravel(selected) == ravel(inner)).all()
    assert (ravel(last) == 2 * ravel(selected)).all()
    for rule, phi in zip(rules, phis, strict=True):
        assert list(phi) == [name for name, _ in rule.named_parameters()]


@pytest.mark.parametrize(
    ("scores", "best", "step"), [([2.3, 0.5, 0.5], 0.5, 10), ([inf, nan, inf], inf, 0), ([nan, nan, nan], inf, 0)]
)
def test_the_selected_weights_are_the_first_with_the_best_score(checkpoints, scores, best, step):
    path = checkpoints / "mnist" / "paper" / "seed0" / "restart0" / "checkpoint.safetensors"
    tensors, facts = load_tensors(path)
    history = [{"meta_step": 10 * k, "validation": score} for k, score in enumerate(scores)]
    save_tensors(path, tensors, {**facts, "history": history, "best_score": best})
    known = states(RECIPES["mnist"], checkpoints)[1][0]
    assert (known["weights"], known["meta_step"]) == ("selected", step)


def test_surfaces_are_drawn_around_the_first_weights_of_meta_seed_0_alone(checkpoints):
    opened = states(RECIPES["mnist"], checkpoints)[:3]
    entries = taken_apart(RECIPES["mnist"], opened, SIZES["smoke"], horizon=4, window=2)
    assert ["surfaces" in entry for entry in entries] == [False, True, False]
    assert entries[1]["surfaces"]["distances"] == [-0.01, 0, 0.01]
    assert all(len(entry["norm"]) == SIZES["smoke"].episodes for entry in entries)


def test_a_recipe_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoints of 'quadratic'"):
        dissect(RECIPES["quadratic"], tmp_path)


def test_the_wandering_runs_are_followed_step_by_step():
    found = dissect(RECIPES["wandering"], scale="smoke")
    assert found["command"] == "python -m l2l_core.dissect wandering"
    for kind in ("printed", "reflected"):
        assert {len(line) for line in found[kind].values()} == {SIZES["smoke"].traced}
    assert found["printed"]["weight"][0] == found["reflected"]["weight"][0]
