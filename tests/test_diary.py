"""A run followed update by update: its own numbers, and the same run."""

from dataclasses import replace
from math import inf

import pytest

from l2l_core import diary, recipe
from l2l_core.diary import follow, main
from l2l_core.evaluation import generator
from l2l_core.experiment import drawn
from l2l_core.store import read_json
from l2l_core.training import Training, meta_train
from l2l_core.tree import ravel

QUADRATIC = replace(recipe("quadratic"), stop=0.5)


def test_what_is_noted_are_the_meta_gradients_of_the_run_itself():
    """Meta-trained once more without a watcher, checkpoint by checkpoint: as far moved, and by the same gradients."""
    notes = follow(QUADRATIC, "smoke", 6)
    name, lr, rule = drawn(QUADRATIC, 0, 0)
    estimator = QUADRATIC.estimator(rule, "smoke", "cpu")
    state, points = estimator.init(generator("train", name)), []
    for k in range(6):
        planned = QUADRATIC.training("smoke", lr)
        seen = []
        length = Training(k + 1, lr, k + 1, planned.slowdown)
        meta_train(rule, estimator, lambda phi, seen=seen: seen.append(ravel(phi).clone()) or inf, length, seed=name)
        points.append((seen[0], seen[-1]))
        phi = dict(zip(dict(rule.named_parameters()), _split(rule, points[k - 1][1] if k else seen[0]), strict=True))
        begins = state.carry.step if state.carry else 0
        estimate, state = estimator.step(phi, state)
        assert notes[k]["begins"] == begins
        assert notes[k]["norm"] == pytest.approx(float(ravel(estimate.grad).norm()), rel=1e-3)
        assert notes[k]["loss"] == pytest.approx(float(estimate.losses[:, 1:][:, -20:].mean()), rel=1e-3)
        if k + 1 < 6:
            before = points[k - 1][1] if k else seen[0]
            assert notes[k + 1]["moved"] == pytest.approx(float((points[k][1] - before).norm()), rel=1e-3)
    assert notes[0]["moved"] == 0
    assert {note["begins"] for note in notes} > {0}


def _split(rule, flat):
    shapes = [w.shape for w in rule.parameters()]
    parts = flat.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def test_a_file_has_a_column_a_number_and_says_how_it_was_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notes = [{"begins": 0, "norm": 2.0}, {"begins": 20, "norm": 3.0}]
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
        "norm": [2.0, 3.0],
    }
