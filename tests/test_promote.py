"""Only whole runs on real data, by the settings of now, become what the book stands on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_run import RECIPE, TINY, finished

from l2l_core.promote import promote
from l2l_core.rules import CoordinatewiseLSTM
from l2l_core.store import load_tensors, read_json, save_tensors, write_json


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run."""
    return finished(tmp_path_factory.mktemp("run"))


def test_the_median_meta_seed_is_the_one_that_ships_under_the_plain_name(run, tmp_path):
    names = promote(RECIPE, run, tmp_path / "results", tmp_path)
    by_score = sorted(read_json(run / "metrics.json")["seeds"], key=lambda seed: seed["validation"])
    assert read_json(tmp_path / "quadratic-lstm.json")["seed"] == by_score[1]["seed"]
    assert sorted(names) == sorted(path.stem for path in tmp_path.glob("*.safetensors"))
    assert (tmp_path / "results" / "quadratic" / "curves.json").read_bytes() == (run / "curves.json").read_bytes()


def test_rules_are_shipped_as_the_recipe_says_and_no_other_recipes_are_touched(run, tmp_path):
    promote(RECIPE, run, tmp_path / "results", tmp_path)

    def shipped():
        found = [path for path in tmp_path.glob("quadratic-lstm*") if "few" not in path.name]
        return {path.name: path.read_bytes() for path in found}

    before = shipped()
    shutil.copytree(run, tmp_path / "run")
    (metrics,) = (tmp_path / "run").glob("metrics.json")
    write_json(metrics, {**read_json(metrics), "recipe": "quadratic-few"})
    for path in (tmp_path / "run").glob("seed*/phi.safetensors"):
        phi, facts = load_tensors(path)
        save_tensors(path, phi, {**facts, "recipe": "quadratic-few"})
    few = replace(RECIPE, name="quadratic-few", shipped="quadratic-lstm-few")
    for _ in range(2):  # the second time over its own
        names = promote(few, tmp_path / "run", tmp_path / "results", tmp_path)
        assert sorted(name.partition("-seed")[0] for name in names) == ["quadratic-lstm-few"] * 3
        assert "quadratic-lstm-few" in names
    promote(RECIPE, run, tmp_path / "results", tmp_path)
    assert shipped() == before
    assert len(list(tmp_path.glob("quadratic-lstm-few*"))) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "mnist"}, "is a run of 'mnist', not of 'quadratic'"),
        ({"scale": "smoke"}, "only paper-scale runs are promoted"),
        ({"data": "stand-in: digits"}, "only runs on real data are promoted"),
        ({"problems": {"tuning": 0, "test": 2}}, r"was tested on .*'test': 2.* problems, not on .*'test': 4"),
        ({"baselines": {"adam": {}}}, "lacks the baselines nag as printed, sgd, sgd as printed; evaluate it again"),
        ({"seeds": []}, r"lacks the meta-seeds \[0, 1, 2\]"),
    ],
)
def test_other_runs_are_not_promoted(run, tmp_path, change, message):
    write_json(tmp_path / "metrics.json", {**read_json(run / "metrics.json"), **change})
    with pytest.raises(ValueError, match=message):
        promote(RECIPE, tmp_path, tmp_path / "results", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, c: m["baselines"].pop("sgd as printed"), "lacks the baselines sgd as printed"),
        (
            lambda m, c: m["seeds"].append({**m["seeds"][0], "seed": 3}),
            r"meta-seeds \[3\] beyond the 3 that were planned",
        ),
        (lambda m, c: m["seeds"][1]["at"].update({"7": {}}), "was not tested over the 100 steps of 'quadratic'"),
        (lambda m, c: m["baselines"]["adam"]["at"].clear(), "was not tested over the 100 steps of 'quadratic'"),
        (lambda m, c: c["baselines"]["adam"]["mean"].pop(), "was not tested over the 100 steps of 'quadratic'"),
        (lambda m, c: c["steps"].pop(), "was not tested over the 100 steps of 'quadratic'"),
        (lambda m, c: c["learned"].pop(), "the curves of .* are not those of its metrics"),
        (lambda m, c: c["baselines"].pop("adam"), "the curves of .* are not those of its metrics"),
    ],
)
def test_a_run_whose_parts_do_not_belong_together_is_not_promoted(run, tmp_path, change, message):
    metrics, curves = read_json(run / "metrics.json"), read_json(run / "curves.json")
    change(metrics, curves)
    shutil.copytree(run, tmp_path / "run")
    write_json(tmp_path / "run" / "metrics.json", metrics)
    write_json(tmp_path / "run" / "curves.json", curves)
    with pytest.raises(ValueError, match=message):
        promote(RECIPE, tmp_path / "run", tmp_path / "results", tmp_path / "zoo")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_run_without_curves_or_of_a_recipe_that_has_changed_since_is_not_promoted(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    with pytest.raises(ValueError, match=r"seed0.* belongs to another run: rule .*scale=1.0.*, not .*scale=0.5"):
        promote(
            replace(RECIPE, rule=lambda: CoordinatewiseLSTM(scale=0.5)), copy, tmp_path / "results", tmp_path / "zoo"
        )
    (copy / "curves.json").unlink()
    with pytest.raises(ValueError, match=r"has no curves\.json; evaluate it again"):
        promote(RECIPE, copy, tmp_path / "results", tmp_path / "zoo")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


@pytest.mark.parametrize("writes", range(7))
def test_a_promotion_that_is_killed_leaves_no_metrics_or_those_of_the_rules_in_the_zoo(
    run, tmp_path, monkeypatch, writes
):
    """Three rules, as many cards, the curves: after any of these seven the process may end."""
    results, zoo = tmp_path / "results", tmp_path / "zoo"
    write_json(results / RECIPE.name / "metrics.json", {"recipe": "of an earlier promotion"})
    original, left = Path.replace, iter(range(writes))

    def killed(path, target):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(RECIPE, run, results, zoo)
    assert not (results / RECIPE.name / "metrics.json").exists()
    assert len(promote(RECIPE, run, results, zoo)) == 3
    assert (results / RECIPE.name / "metrics.json").read_bytes() == (run / "metrics.json").read_bytes()


def test_a_run_that_stopped_early_is_not_promoted(run, tmp_path):
    longer = replace(RECIPE, scales={"paper": replace(TINY, meta_steps=10)})
    with pytest.raises(ValueError, match="stopped before its 10 meta-steps"):
        promote(longer, run, tmp_path / "results", tmp_path)
    with pytest.raises(ValueError, match="nothing to promote"):
        promote(RECIPE, tmp_path, tmp_path / "results", tmp_path)


def test_a_run_with_fewer_restarts_than_planned_is_not_promoted(run, tmp_path):
    more = replace(RECIPE, scales={"paper": replace(TINY, restarts=2)})
    with pytest.raises(ValueError, match=r"fewer than 2 restarts of the meta-seeds \[0, 1, 2\]"):
        promote(more, run, tmp_path / "results", tmp_path)


@pytest.mark.parametrize("change", ["trained further", "lost"])
def test_a_run_that_cannot_be_promoted_leaves_the_zoo_as_it_was(run, tmp_path, change):
    copy, zoo = tmp_path / "run", tmp_path / "zoo"
    shutil.copytree(run, copy)
    promote(RECIPE, copy, tmp_path / "results", zoo)
    before = {path: path.read_bytes() for path in zoo.iterdir()}
    path = copy / "seed2" / "phi.safetensors"
    if change == "lost":
        path.unlink()
    else:
        phi, facts = load_tensors(path)
        save_tensors(path, phi, {**facts, "validation": 0.0})
    with pytest.raises((ValueError, FileNotFoundError), match=r"evaluate .* again|seed2"):
        promote(RECIPE, copy, tmp_path / "results", zoo)
    assert {path: path.read_bytes() for path in zoo.iterdir()} == before


def test_of_two_meta_seeds_the_better_ships_under_the_plain_name(run, tmp_path):
    metrics = read_json(run / "metrics.json")
    shutil.copytree(run, tmp_path / "run")
    curves = read_json(run / "curves.json")
    write_json(tmp_path / "run" / "metrics.json", {**metrics, "seeds": metrics["seeds"][:2]})
    write_json(tmp_path / "run" / "curves.json", {**curves, "learned": curves["learned"][:2]})
    two = replace(RECIPE, scales={"paper": replace(TINY, seeds=2)})
    promote(two, tmp_path / "run", tmp_path / "results", tmp_path)
    better = min(metrics["seeds"][:2], key=lambda seed: seed["validation"])
    assert read_json(tmp_path / "quadratic-lstm.json")["seed"] == better["seed"]
