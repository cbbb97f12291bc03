"""Trained rules on networks that they were not trained on."""

from dataclasses import replace

import pytest
import torch

from l2l_core import RULES, TRIALS, evaluate, load_pretrained, recipe, trial
from l2l_core import report as module
from l2l_core.claims import RESULTS
from l2l_core.evaluation import generator
from l2l_core.promote import promote
from l2l_core.races import RACES
from l2l_core.report import report
from l2l_core.results import obtain
from l2l_core.rules import HAND_DESIGNED
from l2l_core.store import read_json, write_json
from l2l_core.styles import STRETCHED
from l2l_core.tasks import Quadratic
from l2l_core.transfers import Transfer
from l2l_core.tree import ravel
from l2l_core.trials import Problems
from l2l_core.zoo import card, meta_seeds

# those of neural art need a perceptual network, which not every machine has: tests/test_styles.py
TRANSFERS = [one for one in TRIALS.values() if isinstance(one, Transfer) and one not in STRETCHED]
TESTED = [one for one in TRANSFERS if (RESULTS / one.name).exists()]
every_transfer = pytest.mark.parametrize("one", TRANSFERS, ids=lambda one: one.name)
every_network = pytest.mark.parametrize(
    "one", [one for one in TRANSFERS if one.name not in RACES], ids=lambda one: one.name
)
every_tested = pytest.mark.parametrize("one", TESTED, ids=lambda one: one.name)

LITTLE = Transfer(
    name="little",
    summary="The rules of the quadratics in three dimensions",
    source="quadratic",
    family="quadratic",
    task=lambda split, device: Quadratic(n=3, device=device),
    horizon=4,
    test_steps=6,
    scales={"paper": Problems(tuning_problems=2, test_problems=3)},
    baselines={"sgd": 0.01, "adam-cosine": 0.2},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The report of a small transfer."""
    out = tmp_path_factory.mktemp("little")
    report(LITTLE, "paper", out, "the command", progress=False)
    return out


@pytest.fixture(scope="module")
def described():
    """All that makes a transfer another trial than the next, by name."""
    return {one.name: (one.source, one.test_steps, one.task("test", "cpu")) for one in TRANSFERS}


def images(task):
    """The set of images at the bottom of wrapped tasks."""
    return images(task.task) if hasattr(task, "task") else task.images(task.split)


@every_transfer
def test_a_transfer_names_a_recipe_baselines_and_a_network_of_its_own(one, described):
    assert trial(one.name) is one
    assert set(one.baselines) <= set(HAND_DESIGNED)
    assert recipe(one.source).seeds("paper")
    twins = [t for t in TRANSFERS if described[t.name] == described[one.name]]
    # the grid has two cells of Fig. 5 again, with fewer runs
    assert twins == [one] or {len(t.baselines) for t in twins} == {2, 5}


@every_network
def test_tuning_and_tests_take_other_images_and_other_starts(one):
    tuning, test = one.task("validation", "cpu"), one.task("test", "cpu")
    assert not set(images(tuning).origin.tolist()) & set(images(test).origin.tolist())
    watched = []
    for task, stream in ((tuning, "tuning"), (test, "test")):
        gen = generator("problem", f"{one.family}/{stream}", 0)
        watched.append(ravel(task.sample(gen).params))
    assert not watched[0].equal(watched[1])


def test_a_transfer_tests_the_shipped_meta_seeds_of_its_source_in_order(run):
    metrics, curves = read_json(run / "metrics.json"), read_json(run / "curves.json")
    names = meta_seeds("quadratic")
    assert [seed["sha256"] for seed in metrics["seeds"]] == [card(name)["sha256"] for name in names]
    assert [seed["seed"] for seed in metrics["seeds"]] == list(range(recipe("quadratic").seeds("paper")))
    rule = load_pretrained(names[1])
    expected = evaluate(rule, LITTLE.task("test", "cpu"), 3, 6, seed="quadratic/test", horizon=4)
    torch.testing.assert_close(torch.tensor(curves["learned"][1]["mean"]), expected.mean(0), rtol=1e-4, atol=0)
    assert metrics["success"] is None


def test_a_scale_tests_as_many_meta_seeds_as_it_would_train(tmp_path):
    few = recipe("mnist").budget("smoke").seeds
    found = trial("mnist-relu").finished("smoke", tmp_path)
    assert [facts["seed"] for _, facts in found] == list(range(few)) == [0]
    assert len(trial("mnist-relu").finished("paper", tmp_path)) == len(meta_seeds("mnist"))


def test_what_was_tested_is_not_tested_again(run, monkeypatch):
    before = read_json(run / "metrics.json")
    monkeypatch.setattr(module, "evaluate", None)
    again = report(LITTLE, "paper", run, "the command", progress=False)
    assert {**again, "peak_mb": before["peak_mb"]} == before  # the process may have grown in between
    more = replace(LITTLE, scales={"paper": Problems(tuning_problems=2, test_problems=4)})
    with pytest.raises(TypeError):  # more runs do need it
        report(more, "paper", run, "the command", progress=False)


def test_an_interrupted_report_goes_on_where_it_was(tmp_path, run, monkeypatch):
    monkeypatch.setattr(module, "COORDINATES", 6)  # pieces of two problems
    tested = []

    def killed(rule, task, problems, *args, **settings):
        if settings["seed"].endswith("/test"):
            tested.append(problems)
            if len(tested) == 4:
                raise KeyboardInterrupt
        return evaluate(rule, task, problems, *args, **settings)

    monkeypatch.setattr(module, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        report(LITTLE, "paper", tmp_path, "the command", progress=False)
    assert len(list((tmp_path / "curves").iterdir())) == 3
    again = report(LITTLE, "paper", tmp_path, "the command", progress=False)
    assert tested == [2, 1, 2, 1, 1] + [2, 1] * ((len(tested) - 5) // 2)
    for one, whole in zip(again["seeds"], read_json(run / "metrics.json")["seeds"], strict=True):
        assert one["at"]["6"]["mean"] == pytest.approx(whole["at"]["6"]["mean"], rel=1e-4)


def test_only_schedules_are_tested_again_for_another_horizon(tmp_path, monkeypatch):
    tested = []

    def watched(rule, *args, horizon=None, **settings):
        tested.append((rule, horizon))
        return evaluate(rule, *args, horizon=horizon, **settings)

    monkeypatch.setattr(module, "evaluate", watched)
    for name, count in (("sgd", 1), ("adam-cosine", 2)):
        for horizon in (4, 6):
            module._test_curves(LITTLE, "paper", RULES[name](0.1), horizon, "cpu", tmp_path, None)
        assert len(tested) == count
        tested.clear()


def test_a_transfer_is_promoted_without_its_weights(run, tmp_path):
    assert promote(LITTLE, run, tmp_path / "results", tmp_path / "zoo") == []
    assert not (tmp_path / "zoo").exists()
    assert (tmp_path / "results" / "little" / "curves.json").read_bytes() == (run / "curves.json").read_bytes()
    metrics = read_json(run / "metrics.json")
    write_json(tmp_path / "run" / "metrics.json", {**metrics, "seeds": metrics["seeds"][:2]})
    with pytest.raises(ValueError, match=r"lacks the meta-seeds \[2, 3, 4\] of 5"):
        promote(LITTLE, tmp_path / "run", tmp_path / "results", tmp_path / "zoo")


def test_a_transfer_of_rules_that_are_shipped_no_more_is_not_promoted(run, tmp_path):
    metrics = read_json(run / "metrics.json")
    metrics["seeds"][3]["sha256"] = "of before"
    write_json(tmp_path / "run" / "metrics.json", metrics)
    with pytest.raises(ValueError, match=r"shipped meta-seeds \[3\] are not those that were tested; evaluate .* again"):
        promote(LITTLE, tmp_path / "run", tmp_path / "results", tmp_path / "zoo")
    assert not (tmp_path / "results").exists()


def test_a_page_makes_a_transfer_without_training(run, tmp_path):
    assert obtain(LITTLE, "paper", run).origin == "tested now, at scale paper"
    nothing = replace(LITTLE, source="cubic")
    with pytest.raises(FileNotFoundError, match="no trained rule of 'cubic' in the package"):
        obtain(nothing, "paper", tmp_path)


def test_a_diverged_run_is_counted(tmp_path):
    wild = replace(LITTLE, scales={"paper": Problems(tuning_problems=0, test_problems=3)}, baselines={"sgd": 1e30})
    metrics = report(wild, "paper", tmp_path, "the command", progress=False)
    assert metrics["baselines"]["sgd"]["diverged"] == 3
    assert {seed["diverged"] for seed in metrics["seeds"]} == {0}


@every_tested
def test_committed_results_are_complete_and_speak_of_the_shipped_weights(one):
    folder = RESULTS / one.name
    metrics, curves = read_json(folder / "metrics.json"), read_json(folder / "curves.json")
    names = meta_seeds(one.source)
    assert [seed["sha256"] for seed in metrics["seeds"]] == [card(name)["sha256"] for name in names]
    budget = one.budget("paper")
    assert metrics["problems"] == {"tuning": budget.tuning_problems, "test": budget.test_problems}
    assert set(one.baselines) <= set(metrics["baselines"])
    for curve in (*curves["learned"], *curves["baselines"].values()):
        assert len(curve["mean"]) == len(one.kept)


@every_tested
def test_committed_baselines_are_tuned_to_an_interior_point(one):
    for name, entry in read_json(RESULTS / one.name / "metrics.json")["baselines"].items():
        if name.endswith("carried over"):
            continue
        scores = {rate: score for rate, score in entry["grid"] if score is not None}
        best = min(scores, key=scores.get)
        rates = [rate for rate, _ in entry["grid"]]
        assert rates[1] < best < rates[-2], name  # two worse rates on either side
        assert entry["lr"] == pytest.approx(best, rel=1e-4)


def test_recipes_are_trials():
    assert TRIALS["mnist"] is recipe("mnist")
    with pytest.raises(ValueError, match="unknown trial 'cubic'; there are quadratic, "):
        trial("cubic")


def test_long_curves_are_stored_at_every_step_to_200_and_then_at_twenty_windows_a_decade():
    short, long = replace(LITTLE, test_steps=6), replace(LITTLE, test_steps=10_000, average=10)
    assert short.kept == list(range(7))
    assert long.kept[:201] == list(range(201))
    for mark in (224, 251, 1000, 2818, 10_000):
        assert set(range(mark - 9, mark + 1)) <= set(long.kept)
    beyond = [t for t in long.kept if t > 200]
    assert len(beyond) == 34 * 10
    assert long.kept == sorted(set(long.kept))


def test_a_thinned_curve_is_the_whole_one_at_its_steps(tmp_path):
    long = replace(LITTLE, test_steps=300, baselines={}, scales={"paper": Problems(tuning_problems=0, test_problems=1)})
    report(long, "paper", tmp_path, "the command", progress=False)
    curves = read_json(tmp_path / "curves.json")
    assert curves["steps"] == long.kept
    whole = evaluate(
        load_pretrained(meta_seeds("quadratic")[0]), LITTLE.task("test", "cpu"), 1, 300, seed="quadratic/test"
    )
    expected = whole[0, long.kept].tolist()
    assert curves["learned"][0]["mean"] == pytest.approx(expected, rel=1e-3)
