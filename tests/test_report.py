"""From a run to results: what is reported, and what may be promoted."""

from dataclasses import replace

import pytest
import torch

from l2l_core.evaluation import evaluate
from l2l_core.experiment import train_meta_seed
from l2l_core.promote import promote
from l2l_core.recipes import fresh_rule, recipe
from l2l_core.report import report, tune_baselines
from l2l_core.rules import SGD
from l2l_core.store import load_tensors, read_json, write_json

TINY = replace(recipe("quadratic").scales["smoke"], meta_steps=5, validate_every=5, test_problems=4, seeds=3)
RECIPE = replace(recipe("quadratic"), scales={"smoke": TINY, "paper": TINY}, baselines={"sgd": 0.01, "adam": 0.2})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of three meta-seeds at "paper" scale, in miniature."""
    out = tmp_path_factory.mktemp("run")
    for seed in range(3):
        train_meta_seed(RECIPE, "paper", seed, out, progress=False)
    report(RECIPE, "paper", out, "the command", progress=False)
    return out


def test_reported_curves_are_evaluations_on_the_test_problems_in_reported_units(run):
    curves, task = read_json(run / "curves.json"), RECIPE.task("test", "cpu")
    sgd = RECIPE.unit * evaluate(SGD(0.01), task, 4, 100, seed="quadratic/test")
    torch.testing.assert_close(torch.tensor(curves["baselines"]["sgd"]["mean"]), sgd.mean(0), rtol=1e-4, atol=0)
    phi, _ = load_tensors(run / "seed1" / "phi.safetensors")
    ours = RECIPE.unit * evaluate(fresh_rule(RECIPE, 0), task, 4, 100, seed="quadratic/test", phi=phi)
    torch.testing.assert_close(torch.tensor(curves["learned"][1]["mean"]), ours.mean(0), rtol=1e-4, atol=0)


def test_differences_are_paired_and_success_is_counted_against_the_best_baseline(run):
    metrics = read_json(run / "metrics.json")
    best = metrics["baselines"][metrics["best_baseline"]]["validation"]
    assert best == min(metrics["baselines"][name]["validation"] for name in RECIPE.baselines)
    scores = [one["validation"] for seed in metrics["seeds"] for one in seed["restarts"]]
    assert metrics["success"] == {"runs": 3, "succeeded": sum(score < best for score in scores)}
    for seed in metrics["seeds"]:
        difference = seed["at"]["100"]["mean"] - metrics["baselines"]["adam"]["at"]["100"]["mean"]
        assert seed["minus"]["adam"]["mean"] == pytest.approx(difference, rel=1e-3)


def test_the_median_meta_seed_is_the_one_that_ships_under_the_plain_name(run, tmp_path):
    names = promote(RECIPE, run, tmp_path / "results", tmp_path)
    by_score = sorted(read_json(run / "metrics.json")["seeds"], key=lambda seed: seed["validation"])
    assert read_json(tmp_path / "quadratic-lstm.json")["seed"] == by_score[1]["seed"]
    assert sorted(names) == sorted(path.stem for path in tmp_path.glob("*.safetensors"))
    assert (tmp_path / "results" / "quadratic" / "curves.json").read_bytes() == (run / "curves.json").read_bytes()


@pytest.mark.parametrize(("problems", "names"), [(0, {"sgd"}), (2, {"sgd", "sgd@20"})])
def test_baselines_are_tuned_again_for_the_whole_test_only_where_they_are_tuned_at_all(problems, names, tmp_path):
    budget = replace(TINY, tuning_problems=problems)
    longer = replace(RECIPE, horizon=10, test_steps=20, scales={"smoke": budget}, baselines={"sgd": 0.01})
    assert set(tune_baselines(longer, "smoke", tmp_path, progress=False)) == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": "smoke"}, "only paper-scale runs are promoted"),
        ({"data": "stand-in: digits"}, "only runs on real data are promoted"),
        ({"seeds": []}, r"lacks the meta-seeds \[0, 1, 2\]"),
    ],
)
def test_other_runs_are_not_promoted(run, tmp_path, change, message):
    write_json(tmp_path / "metrics.json", {**read_json(run / "metrics.json"), **change})
    with pytest.raises(ValueError, match=message):
        promote(RECIPE, tmp_path, tmp_path / "results", tmp_path)


def test_a_run_that_stopped_early_is_not_promoted(run, tmp_path):
    longer = replace(RECIPE, scales={"paper": replace(TINY, meta_steps=10)})
    with pytest.raises(ValueError, match="stopped before its 10 meta-steps"):
        promote(longer, run, tmp_path / "results", tmp_path)
    with pytest.raises(ValueError, match="nothing to promote"):
        promote(RECIPE, tmp_path, tmp_path / "results", tmp_path)
