"""What the rules of `neural-art` are tried on differs from what they learned on as its label says."""

import os
from dataclasses import fields

import pytest
import torch

from l2l_core import recipe, trial
from l2l_core.gallery import PAINTINGS, SETS
from l2l_core.recipes.neural_art import STYLE
from l2l_core.rules import HAND_DESIGNED
from l2l_core.styles import NEW_STYLE, STRETCHED, STYLES

needs_data = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no perceptual network")
every_trial = pytest.mark.parametrize("one", STRETCHED, ids=lambda one: one.name)

HOME = recipe("neural-art")
PICTURE = {"source", "pictures"}  # of these alone a style or a size is another task


def settings(task):
    """What a task was made with, its pictures as a digest."""
    return {field.name: getattr(task, field.name) for field in fields(task) if field.compare}


@every_trial
def test_a_trial_tests_the_rules_of_neural_art_against_baselines_that_exist(one):
    assert trial(one.name) is one
    assert one.source == HOME.name
    assert set(one.baselines) <= set(HAND_DESIGNED)
    assert (one.horizon, one.test_steps) == (HOME.horizon, HOME.test_steps) == (128, 128)


def test_every_other_painting_is_tried_and_the_papers_own_test_has_all_its_rivals():
    assert {STYLE, *STYLES} == {*PAINTINGS}
    assert STYLE not in STYLES
    assert NEW_STYLE.baselines == HOME.baselines


@needs_data
@pytest.mark.parametrize("split", ["validation", "test"])
@every_trial
def test_a_trial_differs_from_the_recipe_in_what_it_says(one, split):
    home, task = settings(HOME.task(split, "cpu")), settings(one.task(split, "cpu"))
    changed = {key for key in home if home[key] != task[key]}
    network = {"network", "content_layer", "style_layers"}
    assert changed == (network if one.name.endswith("squeezenet") else {"pictures"})


@needs_data
@every_trial
def test_photographs_have_the_side_that_is_said_and_rates_are_tuned_on_others(one):
    tuning, test = (one.task(split, "cpu").contents for split in ("validation", "test"))
    side = {"neural-art-new-style": 128, "neural-art-256": 256}.get(one.name, 64)
    assert tuning.shape == (SETS["validation"], 3, side, side)
    assert test.shape == (SETS["test"], 3, side, side)
    seen = {picture.numpy().tobytes() for picture in tuning}
    assert not any(picture.numpy().tobytes() in seen for picture in test)


@needs_data
@every_trial
def test_a_painting_is_twice_as_wide_as_the_picture(one):
    task = one.task("test", "cpu")
    assert task.style.shape[-1] == 2 * task.contents.shape[-1]


def test_the_read_out_starts_at_a_tenth_of_its_usual_size():
    usual = 1 / HOME.rule().readout.in_features ** 0.5  # PyTorch draws uniformly up to here
    weights = torch.cat([w.detach().flatten() for _ in range(20) for w in HOME.rule().readout.parameters()])
    assert 0.09 * usual < weights.abs().max() <= 0.1 * usual
