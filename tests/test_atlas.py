"""The atlas: each cell is `mnist` with one thing changed, and none is missing."""

import json
from dataclasses import fields
from math import inf

import pytest
import torch

from l2l_core import RECIPES, TRIALS, recipe
from l2l_core.atlas import ATLAS, CARRIED, CELLS, CURED, CURES, FACTORS, coordinates, planned, standing
from l2l_core.cifar import grey_cifar10
from l2l_core.claims import RESULTS
from l2l_core.data import mnist
from l2l_core.recipes import fresh_rule
from l2l_core.store import read_json
from l2l_core.tasks import MNISTNetwork
from l2l_core.tasks.wrappers import Noisy, RandomlyScaled, Scaled

BASE = recipe("mnist")

CHANGED = {
    "100 steps, as trained": {},
    "200 steps": {},
    "1,000 steps": {},
    "10,000 steps": {},
    "std 0.001": {"start_std": 0.001},
    "std 0.1": {"start_std": 0.1},
    "std 1": {"start_std": 1.0},
    "8 images": {"batch_size": 8},
    "32 images": {"batch_size": 32},
    "512 images": {"batch_size": 512},
    "noise × 0.1": {"std": 0.1},
    "noise × 1": {"std": 1.0},
    "noise × 10": {"std": 10.0},
    "loss × 0.01": {"factor": 0.01},
    "loss × 0.1": {"factor": 0.1},
    "loss × 10": {"factor": 10.0},
    "loss × 100": {"factor": 100.0},
    "40 units": {"width": 40},
    "200 units": {"width": 200},
    "2 layers": {"depth": 2},
    "4 layers": {"depth": 4},
    "tanh": {"activation": torch.tanh},
    "ReLU": {"activation": torch.relu},
    "photographs": {"images": grey_cifar10},
}
"""What each label says, in the words of the tasks."""

every_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
tested = [trial for trial in (*ATLAS.values(), *CURED.values()) if (RESULTS / trial.name).exists()]
every_result = pytest.mark.parametrize("trial", tested, ids=lambda trial: trial.name)


def settings(task):
    """All that a task is made of, wrappers included; images by the function that finds them."""
    if isinstance(task, MNISTNetwork):
        return {f.name: getattr(task, f.name) for f in fields(task) if f.init and f.name != "split"}
    own = {f.name: getattr(task, f.name) for f in fields(task) if f.name != "task"}
    return {**settings(task.task), **own}


@every_cell
def test_a_cell_differs_from_the_recipe_in_exactly_what_its_label_says(cell):
    base, task = settings(BASE.task("test", "cpu")), settings(cell.trial.task("test", "cpu"))
    assert {k: v for k, v in task.items() if base.get(k) != v} == CHANGED[cell.label]
    assert task.keys() >= base.keys()
    assert cell.trial.horizon == BASE.horizon
    assert (cell.trial.family, cell.trial.average) == (BASE.family, BASE.average)
    assert cell.step in (cell.trial.horizon, cell.trial.test_steps)
    if cell.group == "horizon":
        assert int(cell.label.partition(" ")[0].replace(",", "")) == cell.step


def test_the_table_of_labels_is_the_atlas():
    assert [cell.label for cell in CELLS] == list(CHANGED)
    assert {"horizon", "start", "minibatch", "noise", "unit", "network", "data"} == {cell.group for cell in CELLS}
    assert ATLAS.items() <= TRIALS.items()
    assert CURED.items() <= TRIALS.items()


@every_cell
def test_losses_are_reported_in_the_unit_of_the_recipe(cell):
    factor = CHANGED[cell.label].get("factor", 1.0)
    assert cell.trial.unit * factor == pytest.approx(1)


@every_cell
def test_a_cell_has_enough_paired_runs(cell):
    least = 5 if cell.step == 10_000 else 10
    assert cell.trial.budget("paper").test_problems >= least


def test_rates_are_carried_over_from_the_recipes_own_tuning():
    tuned = read_json(RESULTS / "mnist" / "metrics.json")["baselines"]
    assert {name: pytest.approx(tuned[name]["lr"]) for name in CARRIED} == CARRIED


def test_the_cures_differ_from_the_printed_protocol_in_one_thing_each():
    none, units, horizon = (RECIPES[name] for name in CURES)
    skipped = {"name", "summary", "baselines", "task"}
    shared = [f.name for f in fields(none) if f.name not in skipped]
    assert [key for key in shared if getattr(none, key) != getattr(units, key)] == []
    longer = {key for key in shared if getattr(none, key) != getattr(horizon, key)}
    assert longer == {"horizon", "test_steps", "stop"}
    plain = none.task("train", "cpu")
    assert units.task("train", "cpu") == RandomlyScaled(plain, 0.01, 100.0)
    assert [units.task(split, "cpu") == none.task(split, "cpu") for split in ("validation", "test")] == [True, True]
    assert horizon.task("train", "cpu") == plain
    assert len({repr(fresh_rule(RECIPES[name], 0)) for name in CURES}) == 1
    assert {RECIPES[name].stream for name in CURES} == {"cure"}


def test_the_cures_are_tried_in_every_unit_and_far_beyond_the_horizon():
    assert len(CURED) == len(CURES) * (len(FACTORS) + 1)
    for trial in CURED.values():
        task = trial.task("test", "cpu")
        assert isinstance(task, Scaled)
        assert task.factor * trial.unit == pytest.approx(1)
        assert task.task == RECIPES[trial.source].task("test", "cpu")
        assert trial.test_steps == (10_000 if "steps" in trial.name else 100)


def test_all_images_of_the_atlas_are_kept_apart():
    for find in (mnist, grey_cifar10):
        one, other = (set(find(split).origin.tolist()) for split in ("validation", "test"))
        assert not one & other


def test_noise_is_the_recipes_gradient_and_more():
    (cell,) = (c for c in CELLS if c.label == "noise × 1")
    task = cell.trial.task("test", "cpu")
    assert isinstance(task, Noisy)
    assert task.task == BASE.task("test", "cpu")


METRICS = {
    "recipe": "mnist",
    "seeds": [
        {"at": {"100": {"mean": 0.2}}, "diverged": 0},
        {"at": {"100": {"mean": float("nan")}}, "diverged": 2},
    ],
    "baselines": {
        "sgd": {"horizon": 100, "validation": 0.3, "lr": 1.0, "at": {"100": {"mean": 0.1}}},
        "adam": {"horizon": 100, "validation": 0.2, "lr": 0.02, "at": {"100": {"mean": 0.4}}},
        "adam@200": {"horizon": 200, "validation": 0.1, "lr": 0.01, "at": {"100": {"mean": 0.1}}},
        "nag": {"horizon": 100, "validation": 0.3, "lr": 1.0, "at": {"100": {"mean": 0.6}}},
        "sgd carried over": {"at": {"100": {"mean": 0.8}}},
    },
}


def test_a_cells_rival_is_chosen_in_validation_and_divergence_is_infinite():
    found = standing(METRICS, 100)
    assert found.rival == "adam"  # not the one that happens to be best in the test, nor one tuned for longer
    assert found.losses == [0.2, inf]
    assert found.ratios == [0.5, inf]
    assert found.diverged == [0, 2]
    # SGD was run at the carried rate, NAG was tuned to it, Adam was not
    assert found.carried == {"sgd": 2.0, "nag": pytest.approx(1.5)}
    with pytest.raises(ValueError, match="'mnist' has no baseline that was tuned for 300 steps"):
        standing(METRICS, 300)


@pytest.mark.parametrize("trial", [*ATLAS.values(), *CURED.values()], ids=lambda trial: trial.name)
def test_the_plan_knows_the_size_of_every_network(trial):
    params = trial.task("test", "cpu").sample(torch.Generator()).params
    settings = getattr(trial.task, "keywords", {})
    assert coordinates(**settings) == sum(p.numel() for p in params.values())


def test_the_plan_fits_an_hour_of_one_core():
    assert sum(planned(trial, 5) for trial in ATLAS.values()) < 60


@every_result
def test_baselines_are_tuned_to_an_interior_point_and_nothing_is_missing(trial):
    metrics = read_json(RESULTS / trial.name / "metrics.json")
    curves = read_json(RESULTS / trial.name / "curves.json")
    assert curves["steps"] == trial.kept
    assert {seed["seed"] for seed in metrics["seeds"]} == set(range(recipe(trial.source).seeds("paper")))
    assert all({"100", str(trial.test_steps)} <= seed["at"].keys() for seed in metrics["seeds"])
    expected = {*trial.baselines, *(f"{name} carried over" for name in trial.carried)}
    assert expected <= metrics["baselines"].keys()
    for entry in metrics["baselines"].values():
        if "grid" in entry:
            scores = [inf if score is None else score for _, score in entry["grid"]]
            best = scores.index(min(scores))
            assert 2 <= best <= len(scores) - 3


@every_result
def test_results_are_small(trial):
    sizes = {path.name: path.stat().st_size for path in (RESULTS / trial.name).iterdir()}
    assert sizes["metrics.json"] < 50_000
    assert sizes["curves.json"] < 300_000
    assert json.loads((RESULTS / trial.name / "metrics.json").read_text())["data"]
