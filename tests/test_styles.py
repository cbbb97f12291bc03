"""What the rules of `neural-art` are tried on differs from what they learned on as its label says."""

import os
from dataclasses import fields

import pytest
import torch
from conformance import seeded

from l2l_core import recipe, trial
from l2l_core.gallery import PAINTINGS, SETS
from l2l_core.recipes.neural_art import STYLE
from l2l_core.rules import HAND_DESIGNED
from l2l_core.styles import (
    ATLAS,
    BALANCES,
    ITS_UNIT,
    LONGER,
    NEW_STYLE,
    OTHER_NETWORK,
    OTHER_UNIT,
    ROUGH,
    STRETCHED,
    STYLES,
    WARM,
)
from l2l_core.tasks.neural_art import FromPhotograph

needs_data = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no perceptual network")
every_trial = pytest.mark.parametrize("one", STRETCHED, ids=lambda one: one.name)

HOME = recipe("neural-art")
PICTURE = {"source", "pictures"}  # of these alone a style or a size is another task


def settings(task):
    """What a task was made with, its pictures as a digest."""
    return {field.name: getattr(task, field.name) for field in fields(task) if field.compare}


def easel_of(one, split):
    """The task of a trial, in the loss's own unit."""
    task = one.task(split, "cpu")
    return task.task if one is OTHER_UNIT else task


@every_trial
def test_a_trial_tests_the_rules_of_neural_art_against_baselines_that_exist(one):
    assert trial(one.name) is one
    assert one.source == HOME.name
    assert set(one.baselines) <= set(HAND_DESIGNED)
    assert one.horizon == HOME.horizon == HOME.test_steps == 128
    assert one.test_steps == (1000 if one is LONGER else 128)


def test_every_other_painting_is_tried_and_the_papers_own_test_has_all_its_rivals():
    assert {STYLE, *STYLES} == {*PAINTINGS}
    assert STYLE not in STYLES
    assert NEW_STYLE.baselines == HOME.baselines


@needs_data
@pytest.mark.parametrize("split", ["validation", "test"])
@every_trial
def test_a_trial_differs_from_the_recipe_in_what_it_says(one, split):
    home, task = settings(HOME.task(split, "cpu")), settings(easel_of(one, split))
    changed = {key for key in home if home[key] != task[key]}
    expected = {
        "squeezenet": {"network", "content_layer", "style_layers"},
        "squeezenet-rescaled": {"network", "content_layer", "style_layers"},
        "style-x0.1": {"style_weight"},
        "style-x10": {"style_weight"},
        "no-smoothness": {"smoothness"},
        "1000-steps": set(),
        "warm-start": set(),
    }
    assert changed == expected.get(one.name.removeprefix("neural-art-"), {"pictures"})
    assert isinstance(one.task(split, "cpu"), FromPhotograph) == (one is WARM)


@needs_data
def test_the_balance_of_content_and_style_is_moved_by_a_factor_of_ten_both_ways():
    weights = [BALANCES[label].task("test", "cpu").style_weight for label in ("x0.1", "x10")]
    assert weights == [0.1 * (home := HOME.task("test", "cpu").style_weight), 10 * home]
    assert ROUGH.task("test", "cpu").smoothness == 0


def first_gradients(task, problems):
    """Root mean square of ∇f where pictures begin, whatever they shall become."""
    found = []
    for k in range(problems):
        problem = task.problem(k, gen := seeded(k))
        (d,) = problem.batches(1, gen)
        found.append(torch.func.grad(problem.loss)(problem.params, d)["picture"].square().mean().sqrt())
    return torch.stack(found)


@needs_data
def test_in_the_other_unit_the_first_gradients_are_as_long_as_those_of_the_network_of_meta_training():
    """The unit is the mean ratio over the photographs of validation, to two digits."""
    home, other, rescaled = (one.task("validation", "cpu") for one in (HOME, OTHER_NETWORK, OTHER_UNIT))
    assert OTHER_UNIT.unit * rescaled.factor == pytest.approx(1)  # and are told in the old one
    ours, its = (first_gradients(task, SETS["validation"]) for task in (home, other))
    torch.testing.assert_close(rescaled.factor * its[:5], first_gradients(rescaled, 5))
    assert pytest.approx(float((ours / its).mean()), rel=0.02) == ITS_UNIT


def test_the_atlas_has_the_recipe_and_every_trial_once():
    assert ATLAS[0].trial is HOME
    assert {cell.trial.name for cell in ATLAS} == {HOME.name, *(one.name for one in STRETCHED)}
    assert len({cell.label for cell in ATLAS}) == len(ATLAS) == 1 + len(STRETCHED)
    assert all(cell.step == cell.trial.test_steps for cell in ATLAS)


@needs_data
@every_trial
def test_photographs_have_the_side_that_is_said_and_rates_are_tuned_on_others(one):
    tuning, test = (easel_of(one, split).contents for split in ("validation", "test"))
    side = {"neural-art-new-style": 128, "neural-art-256": 256}.get(one.name, 64)
    assert tuning.shape == (SETS["validation"], 3, side, side)
    assert test.shape == (SETS["test"], 3, side, side)
    seen = {picture.numpy().tobytes() for picture in tuning}
    assert not any(picture.numpy().tobytes() in seen for picture in test)


@needs_data
@every_trial
def test_a_painting_is_twice_as_wide_as_the_picture(one):
    task = easel_of(one, "test")
    assert task.style.shape[-1] == 2 * task.contents.shape[-1]


def test_the_read_out_starts_at_a_tenth_of_its_usual_size():
    usual = 1 / HOME.rule().rule.readout.in_features ** 0.5  # PyTorch draws uniformly up to here
    weights = torch.cat([w.detach().flatten() for _ in range(20) for w in HOME.rule().rule.readout.parameters()])
    assert 0.09 * usual < weights.abs().max() <= 0.1 * usual
