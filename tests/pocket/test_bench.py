"""Running a rule on the pocket benchmark: the stored baselines are what a run gives, and what cannot run says so."""

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest
import torch

from l2l_core import RULES, Rule
from l2l_core.evaluation import at, evaluate
from l2l_core.pocket import bench
from l2l_core.pocket.bench import PROBLEMS, STEPS, STORED, TUNING, race, reference, tune_baselines
from l2l_core.pocket.tasks import BASELINES, POCKET
from l2l_core.profiles import FLOOR, profile
from l2l_core.store import read_json, write_json

LITTLE = {"quadratic": POCKET["quadratic"], "softmax": replace(POCKET["softmax"], average=2)}


class Broken(Rule):
    """A rule that cannot be run."""

    def init(self, params):
        return ()

    def update(self, signal, state, params):
        raise RuntimeError("no idea\nwhat to do")


@pytest.fixture
def little(monkeypatch):
    """A benchmark of two tasks, three problems and eight steps."""
    for name, value in {"POCKET": LITTLE, "STEPS": 8, "PROBLEMS": 3, "TUNING": 2}.items():
        monkeypatch.setattr(bench, name, value)


def test_what_is_stored_belongs_to_the_benchmark_of_now():
    known = reference()
    assert list(known.targets) == list(POCKET)
    assert list(known.baselines) == BASELINES
    for steps in known.baselines.values():
        for found in steps.values():
            assert found.shape == (PROBLEMS,)
            assert ((found >= 1) & (found <= STEPS) | (found == inf)).all()
    assert all((known.targets[name] < known.starts[name]).all() for name in POCKET)
    assert known.facts["command"] == "python -m l2l_core pocket --tune"
    assert {"python", "torch", "scikit-learn"} <= set(known.facts["versions"])
    assert STORED.stat().st_size < 20_000


def test_every_problem_is_solved_by_some_stored_baseline():
    known = reference()
    together = {name: np.concatenate(list(steps.values())) for name, steps in known.baselines.items()}
    assert np.isfinite(list(together.values())).any(0).all()
    assert sum(share[0] for share in profile(together, [1]).values()) >= 1


@pytest.mark.parametrize("name", ["quadratic", "factors", "softmax", "characters"])
def test_a_stored_baseline_runs_as_it_is_stored(name):
    known = reference()
    entry = known.facts["results"][name]["baselines"]["adam"]
    found = race(RULES["adam"](entry["lr"]), known._replace(starts={name: known.starts[name]}))[name]
    stored = known.baselines["adam"][name]
    assert (np.isfinite(found) == np.isfinite(stored)).all()
    # rounding differs from machine to machine, and may shift the step at which a noisy loss crosses a line
    assert (np.abs(found - stored)[np.isfinite(stored)] <= 2).all()


def test_tuning_writes_what_reference_reads(little, tmp_path):
    known = tune_baselines(tmp_path / "here.json", progress=False)
    again = reference(tmp_path / "here.json", 3)
    assert known.facts == again.facts
    assert known.facts["problems"] == 3
    assert known.facts["command"] == f"python -m l2l_core pocket --tune --baselines {tmp_path / 'here.json'}"
    for name, one in LITTLE.items():
        for rule in BASELINES:
            entry = again.facts["results"][name]["baselines"][rule]
            found = race(RULES[rule](entry["lr"]), known)[name]
            assert found.tolist() == again.baselines[rule][name].tolist()
            assert entry["rates"] >= 5
            assert one.rates[rule] > 0


def test_the_rate_has_the_lowest_geometric_mean_on_validation_problems(little, tmp_path):
    entry = tune_baselines(tmp_path / "here.json", progress=False).facts["results"]["softmax"]["baselines"]["nag"]

    def score(lr):
        task = LITTLE["softmax"].task("validation")
        return float(at(evaluate(RULES["nag"](lr), task, 2, 8, seed="pocket/tuning"), 8, 2).log().mean().exp())

    assert entry["validation"] == pytest.approx(score(entry["lr"]), rel=1e-3)
    assert all(score(entry["lr"] * factor) >= entry["validation"] * 0.999 for factor in (1 / 1.5, 1.5))


def test_a_rate_gains_nothing_below_what_a_target_can_ask_for():
    starts = torch.tensor([1.0, 4.0])
    assert bench._centre(torch.tensor([0.0, 0.25]), starts) == pytest.approx((FLOOR * 0.25) ** 0.5)
    assert bench._centre(torch.tensor([inf, 0.25]), starts) == inf
    assert isnan(bench._centre(torch.tensor([nan, 0.25]), starts))


def test_problems_for_tuning_are_not_those_of_the_tests():
    def starts(seed):
        return set(evaluate(RULES["sgd"](0.01), LITTLE["quadratic"].task("test"), TUNING, 1, seed=seed)[:, 0].tolist())

    assert len(starts("pocket/tuning")) == TUNING
    assert starts("pocket/tuning").isdisjoint(starts("pocket/test"))


def test_fewer_problems_are_the_first_ones(little, tmp_path):
    whole = tune_baselines(tmp_path / "here.json", progress=False)
    some = reference(tmp_path / "here.json", problems=2)
    rule = RULES["adam"](0.1)
    for name in LITTLE:
        assert some.targets[name].tolist() == whole.targets[name][:2].tolist()
        assert race(rule, some)[name].tolist() == race(rule, whole)[name][:2].tolist()


@pytest.mark.parametrize("problems", [0, 11])
def test_there_are_no_more_problems_than_were_run(problems):
    with pytest.raises(ValueError, match=f"1 to 10 problems of a task, got {problems}"):
        reference(problems=problems)


def test_baselines_of_another_benchmark_are_refused(tmp_path):
    settings = {"steps": 50, "problems": 9, "tuning": 8, "floor": 0.0, "tasks": {}, "rules": ["sgd"]}
    others = [{**read_json(STORED), key: value} for key, value in settings.items()]
    for other in (*others, {}, ["no benchmark at all"]):
        write_json(tmp_path / "old.json", other)
        with pytest.raises(ValueError, match=r"made for another benchmark; `.* --tune --baselines .*old\.json` makes"):
            reference(tmp_path / "old.json")


def test_problems_that_are_not_those_of_the_baselines_are_noticed():
    known = reference(problems=1)
    known.starts["quadratic"] *= 1.01
    with pytest.raises(ValueError, match="the problems of 'quadratic' are not those of the stored baselines"):
        race(RULES["sgd"](0.01), known)


def test_a_rule_that_cannot_be_run_is_named_with_its_task_and_error():
    with pytest.raises(ValueError, match=r"^running the rule on 'quadratic' raised RuntimeError: no idea$"):
        race(Broken(), reference(problems=1))


def test_a_rule_that_diverges_everywhere_is_told_so(little, tmp_path):
    known = tune_baselines(tmp_path / "here.json", progress=False)
    # softmax alone would survive any finite step: its gradient is bounded
    with pytest.raises(FloatingPointError, match="diverges on every problem"):
        race(RULES["sgd"](1e38), known)


def test_a_rule_that_diverges_on_one_task_has_solved_nothing_there():
    known = reference()
    lr = known.facts["results"]["softmax"]["baselines"]["sgd"]["lr"]  # a hundred times too much for quadratics
    some = known._replace(starts={name: known.starts[name] for name in ("quadratic", "softmax")})
    found = race(RULES["sgd"](lr), some)
    assert found["quadratic"].tolist() == [inf] * PROBLEMS
    assert np.isfinite(found["softmax"]).any()


def test_the_chance_of_the_caller_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    race(RULES["sgd"](0.001), reference(problems=1))
    assert torch.rand(1).equal(expected)
