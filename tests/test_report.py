"""From a run to results: what is reported."""

import shutil
from dataclasses import dataclass, replace
from math import inf

import pytest
import torch
from conformance import seeded
from small_run import RECIPE, TINY, finished

from l2l_core import RULES
from l2l_core import report as module
from l2l_core.evaluation import evaluate
from l2l_core.experiment import train_meta_seed, trained_by
from l2l_core.recipes import fresh_rule, recipe
from l2l_core.report import _test_curves, report, tune_baselines
from l2l_core.results import Results, obtain
from l2l_core.rules import SGD, CoordinatewiseLSTM
from l2l_core.store import load_tensors, read_json, save_tensors, write_json
from l2l_core.tasks import Quadratic

SHORT = replace(
    RECIPE,
    horizon=6,
    window=3,
    test_steps=9,
    average=3,
    scales={"paper": replace(TINY, tuning_problems=1)},
    baselines={"adam-cosine": 0.2},
    as_printed={},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run."""
    return finished(tmp_path_factory.mktemp("run"))


def test_reported_curves_are_evaluations_on_the_test_problems_in_reported_units(run):
    curves, task = read_json(run / "curves.json"), RECIPE.task("test", "cpu")
    sgd = RECIPE.unit * evaluate(SGD(0.01), task, 4, 100, seed="quadratic/test")
    torch.testing.assert_close(torch.tensor(curves["baselines"]["sgd"]["mean"]), sgd.mean(0), rtol=1e-4, atol=0)
    phi, _ = load_tensors(run / "seed1" / "phi.safetensors")
    ours = RECIPE.unit * evaluate(fresh_rule(RECIPE, 0), task, 4, 100, seed="quadratic/test", phi=phi)
    torch.testing.assert_close(torch.tensor(curves["learned"][1]["mean"]), ours.mean(0), rtol=1e-4, atol=0)
    torch.testing.assert_close(torch.tensor(curves["learned"][1]["median"]), ours.median(0).values, rtol=1e-4, atol=0)
    for key, share in (("low", 0.25), ("high", 0.75)):
        torch.testing.assert_close(
            torch.tensor(curves["learned"][1][key]), ours.quantile(share, dim=0), rtol=1e-4, atol=0
        )


def test_a_test_shows_the_problems_of_a_task_in_turn(tmp_path):
    class Alternating(Quadratic):
        def problem(self, k, gen):
            return self.sample(seeded(k % 2))

    chosen = replace(RECIPE, task=lambda split, device: Alternating())
    curves, _ = _test_curves(chosen, "paper", SGD(0.01), 100, "cpu", tmp_path, None)
    assert len(curves) == 4
    assert curves[0].equal(curves[2])
    assert curves[1].equal(curves[3])
    assert not curves[0].equal(curves[1])


def test_differences_are_paired_and_success_is_counted_against_the_best_baseline(run):
    metrics = read_json(run / "metrics.json")
    best = metrics["baselines"][metrics["best_baseline"]]["validation"]
    assert best == min(metrics["baselines"][name]["validation"] for name in RECIPE.baselines)
    scores = [one["validation"] for seed in metrics["seeds"] for one in seed["restarts"]]
    assert metrics["success"] == {"runs": 3, "succeeded": sum(score < best for score in scores)}
    for seed in metrics["seeds"]:
        difference = seed["at"]["100"]["mean"] - metrics["baselines"]["adam"]["at"]["100"]["mean"]
        assert seed["minus"]["adam"]["mean"] == pytest.approx(difference, rel=1e-3)


def test_a_scale_of_fewer_steps_ends_everything_there_and_changes_nothing_before(run, tmp_path):
    short = replace(TINY, steps=40)
    scales = {"paper": TINY, "short": short}
    both = replace(RECIPE, scales=scales)
    train_meta_seed(both, "short", 0, tmp_path, progress=False)
    metrics = report(both, "short", tmp_path, "the command", progress=False)
    found, whole = read_json(tmp_path / "curves.json"), read_json(run / "curves.json")
    assert found["steps"] == list(range(41))
    assert found["baselines"]["sgd"]["mean"] == pytest.approx(whole["baselines"]["sgd"]["mean"][:41], rel=1e-4)
    assert metrics["seeds"][0]["at"].keys() == {"40"}
    assert {scale: both.at_scale(scale).horizon for scale in scales} == {"paper": 100, "short": 40}
    trained = {scale: trained_by(both, scale) for scale in scales}
    assert trained["paper"] == trained_by(RECIPE, "paper")
    assert trained["short"]["estimator"] == trained["paper"]["estimator"].replace("horizon=100", "horizon=40")
    # validation is as long as an episode: its score is the loss where that ends
    phi, facts = load_tensors(tmp_path / "seed0" / "phi.safetensors")
    problems = short.validation_problems
    curves = evaluate(
        fresh_rule(both, 0), both.task("validation", "cpu"), problems, 40, seed="quadratic/validation", phi=phi
    )
    assert facts["validation"] == pytest.approx(both.unit * float(curves[:, 40].mean()), rel=1e-5)


@pytest.mark.parametrize(("problems", "names"), [(0, {"sgd"}), (2, {"sgd", "sgd@20"})])
def test_baselines_are_tuned_again_for_the_whole_test_only_where_they_are_tuned_at_all(problems, names, tmp_path):
    budget = replace(TINY, tuning_problems=problems)
    longer = replace(RECIPE, horizon=10, test_steps=20, scales={"smoke": budget}, baselines={"sgd": 0.01})
    assert set(tune_baselines(longer, "smoke", tmp_path, progress=False)) == names


@pytest.mark.parametrize(
    ("other", "scale", "message"),
    [
        (recipe("quadratic-mean-units"), "smoke", "another run: recipe 'quadratic', not 'quadratic-mean-units'"),
        (RECIPE, "smoke", "another run: scale 'paper', not 'smoke'"),
    ],
)
def test_meta_seeds_of_another_recipe_or_scale_are_not_reported(run, other, scale, message):
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        report(other, scale, run, "the command", progress=False)
    assert (run / "metrics.json").read_bytes() == before


def test_learning_rates_tuned_for_something_else_are_not_used(tmp_path):
    once = replace(RECIPE, horizon=5, window=5, test_steps=5, baselines={"sgd": 0.01})
    entries = tune_baselines(once, "paper", tmp_path, progress=False)
    assert entries == tune_baselines(once, "paper", tmp_path, progress=False)
    more = replace(once, scales={"paper": replace(TINY, tuning_problems=4)})
    with pytest.raises(ValueError, match=r"another run: problems 0, not 4. Use another `out`, or delete it"):
        tune_baselines(more, "paper", tmp_path, progress=False)
    with pytest.raises(ValueError, match="recipe 'quadratic', not 'cubic'"):
        tune_baselines(replace(once, name="cubic"), "paper", tmp_path, progress=False)
    del entries["sgd"]["recipe"], entries["sgd"]["problems"]  # as written before these were recorded
    write_json(tmp_path / "baselines.json", entries)
    assert tune_baselines(more, "paper", tmp_path, progress=False) == entries


STAND_IN = type("Quadratic", (Quadratic,), {"source": "stand-in"})
"""The same problems from another source."""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": lambda split, device: STAND_IN()}, "data 'generated', not 'stand-in'"),
        (
            {"task": lambda split, device: Quadratic(3, device=device)},
            r"task .*Quadratic\(n=10, .*not .*Quadratic\(n=3, ",
        ),
        ({"average": 2}, "average 1, not 2"),
        ({"unit": 1.0}, "unit 0.1, not 1.0"),
        ({"horizon": 3, "test_steps": 3}, "horizon 5, not 3"),
        ({"baselines": {"sgd": 0.02}}, "lr 0.01, not 0.02"),
    ],
)
def test_learning_rates_tuned_by_other_settings_are_not_used(tmp_path, change, message):
    once = replace(RECIPE, horizon=5, window=5, test_steps=5, baselines={"sgd": 0.01})
    tune_baselines(once, "paper", tmp_path, progress=False)
    with pytest.raises(ValueError, match=f"another run: {message}"):
        tune_baselines(replace(once, **change), "paper", tmp_path, progress=False)


def test_a_baseline_that_is_none_any_more_is_not_reported(tmp_path):
    both = replace(RECIPE, horizon=5, window=5, test_steps=5)
    assert set(tune_baselines(both, "paper", tmp_path, progress=False)) == {"sgd", "adam"}
    one = replace(both, baselines={"adam": 0.2})
    assert set(tune_baselines(one, "paper", tmp_path, progress=False)) == {"adam"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": lambda split, device: STAND_IN()}, "data 'generated', not 'stand-in'"),
        ({"rule": lambda: CoordinatewiseLSTM(scale=0.5)}, "rule .*scale=1.0.*, not .*scale=0.5"),
        ({"meta_lr": (1e-2, 1.0)}, r"meta_lr '\(0.01, 0.016\)', not '\(0.01, 1.0\)'"),
        ({"window": 25}, "estimator 'b=16 window=20 .*', not 'b=16 window=25 "),
    ],
)
def test_weights_that_were_trained_by_other_settings_are_not_reported(run, change, message):
    before = (run / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match=f"seed0 belongs to another run: {message}"):
        report(replace(RECIPE, **change), "paper", run, "the command", progress=False)
    assert (run / "metrics.json").read_bytes() == before


def test_weights_from_before_their_settings_were_recorded_are_reported(run, tmp_path):
    phi, facts = load_tensors(run / "seed0" / "phi.safetensors")
    settings = facts.pop("settings")
    assert {"rule", "task", "data", "estimator", "lr", "slowdown", "meta_lr", "visited"} <= set(settings)
    save_tensors(tmp_path / "seed0" / "phi.safetensors", phi, facts)
    metrics = report(RECIPE, "paper", tmp_path, "the command", progress=False)
    assert "settings" not in metrics["seeds"][0]
    assert metrics["seeds"][0]["sum"] == read_json(run / "metrics.json")["seeds"][0]["sum"]


def test_curves_on_another_network_are_not_taken_for_those_on_this_one(tmp_path):
    some = replace(RECIPE, task=lambda split, device: Quadratic(device=device, start_std=0.01))
    other = replace(RECIPE, task=lambda split, device: Quadratic(device=device, start_std=1.0))
    args = "paper", SGD(0.01), 100, "cpu", tmp_path, None
    (curves, seconds), (again, kept) = (module._test_curves(some, *args) for _ in range(2))
    assert curves.equal(again)
    assert seconds == kept > 0
    with pytest.raises(ValueError, match=r"belongs to another run: task .*start_std=0.01.*, not .*start_std=1.0"):
        module._test_curves(other, *args)
    with pytest.raises(ValueError, match="another run: family 'quadratic', not 'cubic'"):
        module._test_curves(replace(some, family="cubic"), *args)


def test_what_a_test_took_is_known_only_if_every_part_of_it_is(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    spent = read_json(run / "metrics.json")["test_seconds"]
    parts = sorted((tmp_path / "run" / "curves").iterdir())
    assert spent == pytest.approx(sum(load_tensors(part)[1]["seconds"] for part in parts), abs=0.1)
    curves, facts = load_tensors(parts[0])
    del facts["seconds"]  # as files from before it was noted
    save_tensors(parts[0], curves, facts)
    metrics = report(RECIPE, "paper", tmp_path / "run", "the command", progress=False)
    assert metrics["test_seconds"] is None
    assert metrics["peak_mb"] > 100


def test_a_baseline_that_diverges_untuned_is_not_the_best(tmp_path):
    wild = replace(RECIPE, baselines={"sgd": 1e30, "adam": 0.2})
    train_meta_seed(wild, "paper", 0, tmp_path, progress=False)
    metrics = report(wild, "paper", tmp_path, "the command", progress=False)
    assert metrics["best_baseline"] == "adam"
    assert metrics["baselines"]["sgd"]["validation"] == inf
    assert metrics["baselines"]["sgd"]["grid"] == [[1e30, None]]


def test_a_baseline_that_diverges_at_every_rate_is_named(tmp_path):
    wild = replace(SHORT, baselines={"sgd": 1e30}, scales={"paper": replace(TINY, tuning_problems=2)})
    with pytest.raises(ValueError, match=r"tuning sgd for 6 steps: no learning rate near 1e\+30 gave a finite loss"):
        tune_baselines(wild, "paper", tmp_path, progress=False)


def test_a_page_does_not_read_another_recipes_run(run):
    assert obtain(RECIPE, "book", run).origin == "read from `out`"
    with pytest.raises(ValueError, match="holds a run of 'quadratic', not of 'mnist'"):
        obtain(recipe("mnist"), "book", run)


def test_metrics_are_there_only_when_their_curves_are(tmp_path, monkeypatch):
    write_json(tmp_path / "metrics.json", {"recipe": "of an earlier report"})
    train_meta_seed(RECIPE, "paper", 0, tmp_path, progress=False)
    original = module.write_json

    def killed(path, value):
        if path.name == "curves.json":
            raise KeyboardInterrupt
        original(path, value)

    monkeypatch.setattr(module, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        report(RECIPE, "paper", tmp_path, "the command", progress=False)
    assert not (tmp_path / "metrics.json").exists()


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """One meta-seed, whose reports average the last three steps and go on beyond the horizon."""
    out = tmp_path_factory.mktemp("short")
    train_meta_seed(SHORT, "paper", 0, out, progress=False)
    report(SHORT, "paper", out, "the command", progress=False)
    return out


def test_numbers_at_a_step_are_those_of_the_last_few_and_the_sum_ends_before_the_horizon(short):
    metrics, task = read_json(short / "metrics.json"), SHORT.task("test", "cpu")
    phi, facts = load_tensors(short / "seed0" / "phi.safetensors")
    rule = fresh_rule(SHORT, 0)
    curves = 0.1 * evaluate(rule, task, 4, 9, seed="quadratic/test", phi=phi).double()
    (seed,) = metrics["seeds"]
    for step in (6, 9):
        last = curves[:, step - 2 : step + 1].mean(1)
        expected = {"mean": last.mean(), "median": last.median(), "se": last.std() / 2}
        assert seed["at"][str(step)] == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-4)
    assert seed["sum"] == pytest.approx(float(curves[:, :6].sum(1).mean()), rel=1e-4)
    score = evaluate(rule, SHORT.task("validation", "cpu"), 16, 6, seed="quadratic/validation", phi=phi)
    assert facts["validation"] == pytest.approx(0.1 * float(score[:, 4:7].mean()), rel=1e-4)
    tuned = metrics["baselines"]["adam-cosine"]
    tuning = evaluate(RULES["adam-cosine"](tuned["lr"]), task, 1, 6, seed="quadratic/tuning")
    assert tuned["validation"] == pytest.approx(0.1 * float(tuning[:, 4:7].mean()), rel=1e-4)


def test_a_schedule_ends_at_the_horizon_that_it_was_tuned_for(short):
    curves = read_json(short / "curves.json")["baselines"]
    assert len(set(curves["adam-cosine"]["mean"][6:])) == 1
    assert len(set(curves["adam-cosine@9"]["mean"][6:])) == 4


def test_training_validation_tuning_and_tests_have_images_and_problems_of_their_own(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Images(Quadratic):
        split: str = ""

    seen = []

    def watched(rule, task, *args, seed, **rest):
        seen.append((task.split, seed))
        return evaluate(rule, task, *args, seed=seed, **rest)

    one = replace(SHORT, task=lambda split, device: Images(split=split), baselines={"sgd": 0.01})
    monkeypatch.setattr(module, "evaluate", watched)
    monkeypatch.setattr("l2l_core.recipes.base.evaluate", watched)
    assert one.estimator(fresh_rule(one, 0), "paper", "cpu").task.split == "train"
    train_meta_seed(one, "paper", 0, tmp_path, progress=False)
    assert set(seen) == {("validation", "quadratic/validation")}
    seen.clear()
    tune_baselines(one, "paper", tmp_path, progress=False)
    assert set(seen) == {("validation", "quadratic/tuning")}
    seen.clear()
    report(one, "paper", tmp_path, "the command", progress=False)
    assert set(seen) == {("test", "quadratic/test")}


@pytest.mark.parametrize(("count", "place"), [(1, 0), (2, 0), (3, 1), (4, 1)])
def test_the_seed_to_show_is_the_lower_median(count, place):
    scores = [0.3, 0.1, 0.4, 0.2][:count]
    shown = Results({"seeds": [{"validation": score} for score in scores]}, {}, "").median_seed
    assert scores[shown] == sorted(scores)[place]


def test_curves_from_before_problems_were_shown_in_turn_are_not_taken_for_those_of_now(tmp_path):
    class Before(Quadratic):
        pass

    class Now(Quadratic):
        def problem(self, k, gen):
            return self.sample(seeded(k % 2))

    Now.__qualname__ = Before.__qualname__ = "Same"  # so that their descriptions agree
    first, second = (replace(RECIPE, task=lambda split, device, t=t: t()) for t in (Before, Now))
    assert repr(Before()) == repr(Now())
    old, _ = _test_curves(first, "paper", SGD(0.01), 100, "cpu", tmp_path, None)
    new, _ = _test_curves(second, "paper", SGD(0.01), 100, "cpu", tmp_path, None)
    assert not old.equal(new)
    assert new[0].equal(new[2])
