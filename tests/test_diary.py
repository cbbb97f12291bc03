"""A run followed update by update: its own numbers, and the same run."""

from dataclasses import replace
from math import inf, isnan

import pytest
import torch

from l2l_core import diary, recipe
from l2l_core.diary import follow, main
from l2l_core.evaluation import generator
from l2l_core.experiment import beginning
from l2l_core.store import read_json
from l2l_core.training import meta_train
from l2l_core.tree import ravel

QUADRATIC = replace(recipe("quadratic"), window=50, stop=0.5, clip=0.01)
"""Windows longer than the steps that are averaged, episodes of several, meta-gradients that are shortened."""


def test_what_is_noted_are_the_meta_gradients_of_the_run_itself():
    """Once more without a watcher: φ between updates from the validations, and from it the windows one by one."""
    notes = follow(QUADRATIC, "smoke", 6)
    name, lr, rule = beginning(QUADRATIC, 0, 0)
    estimator, seen = QUADRATIC.estimator(rule, "smoke", "cpu"), []
    run = replace(QUADRATIC.training("smoke", lr), meta_steps=6, validate_every=1)
    assert run.clip == 0.01
    meta_train(rule, estimator, lambda phi: seen.append({k: w.clone() for k, w in phi.items()}) or inf, run, seed=name)
    state = estimator.init(generator("train", name))
    for k, note in enumerate(notes):
        assert note["begins"] == (state.carry.step if state.carry else 0)
        estimate, state = estimator.step(seen[k], state)
        assert note["norm"] == pytest.approx(float(ravel(estimate.grad).norm()), rel=1e-3)
        last = [estimate.losses[:, -i] for i in range(1, 21)]
        assert note["loss"] == pytest.approx(float(torch.stack(last).mean()), rel=1e-3)
        way = ravel(seen[k]) - ravel(seen[k - 1]) if k else torch.zeros(1)
        assert note["moved"] == pytest.approx(float(way.norm()), rel=1e-3)
    assert max(note["norm"] for note in notes) > 0.01  # the bound is felt
    assert {note["begins"] for note in notes} > {0}


def test_a_meta_gradient_that_is_no_number_ends_the_notes_and_is_in_them(monkeypatch):
    whole = diary.tbptt.step

    def breaking(self, phi, state):
        estimate, state = whole(self, phi, state)
        broken = {name: g * (torch.nan if len(self.notes) == 2 else 1) for name, g in estimate.grad.items()}
        return estimate._replace(grad=broken), state

    monkeypatch.setattr(diary.tbptt, "step", breaking)
    notes = follow(QUADRATIC, "smoke", 6)
    assert [isnan(note["norm"]) for note in notes] == [False, False, True]


def test_a_file_has_a_column_a_number_and_says_how_it_was_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notes = [{"begins": 0, "norm": 2.0}, {"begins": 20, "norm": inf}]
    asked = []
    monkeypatch.setattr(diary, "follow", lambda chosen: asked.append(chosen.name) or notes)
    main(["quadratic"])
    assert asked == ["quadratic"]
    path = capsys.readouterr().out.strip()
    assert read_json(tmp_path / path) == {
        "command": "python -m l2l_core.diary quadratic",
        "recipe": "quadratic",
        "meta_seed": 0,
        "begins": [0, 20],
        "norm": [2.0, None],
    }


@pytest.mark.parametrize(("name", "message"), [("typo", "unknown trial 'typo'"), ("mnist-relu", "give a recipe")])
def test_what_cannot_be_followed_is_named_before_any_work(monkeypatch, name, message):
    monkeypatch.setattr(diary, "follow", lambda chosen: pytest.fail("began to work"))
    with pytest.raises(ValueError, match=message):
        main(["quadratic", name])


@pytest.mark.parametrize("updates", [0, 10**6])
def test_a_run_has_as_many_updates_as_its_recipe_says(updates):
    with pytest.raises(ValueError, match=f"updates of φ at scale 'smoke', asked for {updates}"):
        follow(QUADRATIC, "smoke", updates)
