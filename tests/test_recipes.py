"""Experiments by name."""

from dataclasses import replace
from math import inf

import pytest
import torch
from conformance import EVERY_RECIPE

from l2l_core import RECIPES, recipe
from l2l_core.recipes import Budget, fresh_rule
from l2l_core.rules import HAND_DESIGNED

every_recipe = pytest.mark.parametrize("name", EVERY_RECIPE)


@every_recipe
def test_a_recipe_is_whole_windows_and_baselines_that_exist(name):
    one = recipe(name)
    assert one.name == name
    assert {"smoke", "paper"} <= set(one.scales)
    assert set(one.baselines) <= set(HAND_DESIGNED)
    assert one.horizon <= one.test_steps
    assert 0 < one.meta_lr[0] <= one.meta_lr[1]
    one.estimator(fresh_rule(one, 0), "smoke", "cpu")


@every_recipe
def test_meta_gradients_are_taken_as_the_recipe_says(name):
    one = recipe(name)
    rule = fresh_rule(one, 0)
    found = one.estimator(rule, "smoke", "cpu")
    length = min(one.episode, one.at_scale("smoke").horizon)
    expected = (rule, length, one.oracle, min(one.window, length), one.stop, one.budget("smoke").b, one.visited)
    unroll = found.unroll
    assert (unroll.rule, unroll.horizon, unroll.oracle, found.window, found.stop, found.b, found.visited) == expected


@pytest.mark.parametrize(("episode", "steps", "window"), [(40, 40, 20), (10, 10, 10), (1000, 100, 20), (inf, 100, 20)])
def test_episodes_may_be_shorter_than_tests_and_windows_than_usual(episode, steps, window):
    one = replace(recipe("mnist"), episode=episode)
    found = one.estimator(fresh_rule(one, 0), "paper", "cpu")
    assert (found.unroll.horizon, found.window, one.horizon) == (steps, window, 100)


@every_recipe
def test_a_seed_gives_one_set_of_weights_and_leaves_the_global_generator_alone(name):
    before = torch.get_rng_state()
    one, again, other = (dict(fresh_rule(recipe(name), seed).named_parameters()) for seed in (1, 1, 2))
    assert torch.get_rng_state().equal(before)
    assert all(one[key].equal(w) for key, w in again.items())
    assert any(not one[key].equal(w) for key, w in other.items())


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown recipe 'cubic'; there are quadratic, "):
        recipe("cubic")


def test_an_unknown_scale_lists_the_known_ones():
    with pytest.raises(ValueError, match="'quadratic' has no scale 'huge'; it has smoke, paper"):
        recipe("quadratic").budget("huge")


def test_a_budget_ends_with_a_validation():
    with pytest.raises(ValueError, match="the last meta-step must be validated, got 250 of them and every 100-th"):
        Budget(250, 100, b=1)


def test_rules_have_names_of_their_own_in_the_package():
    names = [one.shipped or f"{one.name}-lstm" for one in RECIPES.values()]
    assert len(set(names)) == len(names)
    variants = ("-sub5", "-sub2", "-shared", "-late", "-late-clipped")
    expected = {"cifar-lstm", *(f"cifar-lstm{variant}" for variant in variants), "cifar-quick-lstm"}
    assert {name for name in names if name.startswith("cifar")} == expected
