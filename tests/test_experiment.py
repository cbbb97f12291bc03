"""One meta-seed: its restarts, the selection among them, and going on after a kill."""

from dataclasses import replace

import pytest
from conformance import assert_same

from l2l_core import experiment, training
from l2l_core.experiment import train_meta_seed
from l2l_core.recipes import recipe
from l2l_core.store import held, load_tensors

TINY = replace(recipe("quadratic").scales["smoke"], meta_steps=2, validate_every=1, b=2, validation_problems=4)
RECIPE = replace(recipe("quadratic"), window=5, horizon=5, scales={"tiny": replace(TINY, restarts=3)})


def trained(out):
    return train_meta_seed(RECIPE, "tiny", 7, out, progress=False)


def finished(out):
    """The selected weights and the record of all restarts, without the time they took."""
    phi, facts = load_tensors(out / "seed7" / "phi.safetensors")
    return phi, {**facts, "restarts": [{**one, "seconds": 0, "cpu_seconds": 0} for one in facts["restarts"]]}


def diverging(monkeypatch, *restarts):
    """Let some restarts be trained with an absurd learning rate."""
    original = training.meta_train

    def meta_train(rule, estimator, validate, settings, *, out, **rest):
        if out.name in restarts:
            settings = replace(settings, lr=1e30)
        return original(rule, estimator, validate, settings, out=out, **rest)

    monkeypatch.setattr(experiment, "meta_train", meta_train)


def test_the_restart_that_is_best_in_validation_is_selected(tmp_path):
    phi = trained(tmp_path)
    stored, facts = finished(tmp_path)
    assert_same({name: stored[name] for name in phi}, phi)
    scores = [one["validation"] for one in facts["restarts"]]
    assert len(set(scores)) == 3
    assert len({one["meta_lr"] for one in facts["restarts"]}) == 3
    assert facts["validation"] == min(scores)
    starts = {one["history"][0][1] for one in facts["restarts"]}
    assert len(starts) == 3  # other weights
    best = tmp_path / "seed7" / f"restart{scores.index(min(scores))}" / "checkpoint.safetensors"
    tensors, _ = load_tensors(best)
    assert_same(
        {f"best.{name}": w for name, w in phi.items()}, {f"best.{name}": tensors[f"best.{name}"] for name in phi}
    )
    assert scores.index(min(scores)) != 0  # or the test shows little


def test_every_restart_of_every_meta_seed_has_training_problems_of_its_own(tmp_path):
    streams = set()
    for seed in (0, 1):
        train_meta_seed(RECIPE, "tiny", seed, tmp_path, progress=False)
        for path in sorted((tmp_path / f"seed{seed}").glob("*/checkpoint.safetensors")):
            streams.add(load_tensors(path)[1]["identity"]["seed"])
    assert len(streams) == 6


def test_a_restart_that_diverges_is_recorded_and_passed_over(tmp_path, monkeypatch):
    trained(tmp_path / "whole")
    _, whole = finished(tmp_path / "whole")
    best = whole["restarts"].index(min(whole["restarts"], key=lambda one: one["validation"]))
    diverging(monkeypatch, f"restart{best}")
    trained(tmp_path / "parts")
    _, facts = finished(tmp_path / "parts")
    lost = facts["restarts"].pop(best)
    assert lost["restart"] == best
    assert "the meta-gradient is" in lost["diverged"]
    del whole["restarts"][best]
    assert facts["restarts"] == whole["restarts"]
    assert facts["validation"] == min(one["validation"] for one in facts["restarts"])


def test_a_meta_seed_of_which_every_restart_diverges_has_no_result(tmp_path, monkeypatch):
    diverging(monkeypatch, "restart0", "restart1", "restart2")
    with pytest.raises(FloatingPointError, match="all 3 restarts of meta-seed 7 diverged"):
        trained(tmp_path)
    assert not (tmp_path / "seed7" / "phi.safetensors").exists()


def test_two_processes_do_not_train_one_meta_seed(tmp_path):
    pytest.importorskip("fcntl")
    with held(tmp_path / "seed7"), pytest.raises(ValueError, match=r"another process is at work in .*seed7"):
        trained(tmp_path)
    assert [path.name for path in (tmp_path / "seed7").iterdir()] == [".lock"]
    assert set(trained(tmp_path)) == set(trained(tmp_path))  # one after the other, they do


def test_killed_between_two_restarts_it_goes_on_with_the_next_to_the_same_end(tmp_path, monkeypatch):
    trained(tmp_path / "whole")
    original, begun = experiment._restart, []

    def killed(*args):
        if args[3] == 1:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(experiment, "_restart", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts")
    monkeypatch.setattr(experiment, "_restart", original)

    advance = training._Run.advance
    monkeypatch.setattr(training._Run, "advance", lambda run: (begun.append(run.out.name), advance(run)))
    trained(tmp_path / "parts")
    assert sorted(set(begun)) == ["restart1", "restart2"]
    (phi, facts), (other, other_facts) = finished(tmp_path / "parts"), finished(tmp_path / "whole")
    assert_same(phi, other)
    assert facts == other_facts
