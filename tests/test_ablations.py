"""Each arm of the ablations differs from the first in what its label says, and in nothing else."""

from dataclasses import fields, replace

import pytest
import torch
from conformance import assert_same

from l2l_core import LogSign, RawGradient, experiment, plan, trial
from l2l_core.ablations import ABLATIONS, ARMS, BASE, FULL_SIZE, INNER_STEPS, SHARES, throughout
from l2l_core.claims import RESULTS
from l2l_core.cost import Cost
from l2l_core.evaluation import at, generator
from l2l_core.experiment import train_meta_seed
from l2l_core.features import Multiplied
from l2l_core.promote import promote
from l2l_core.recipes import Budget, fresh_rule
from l2l_core.report import report
from l2l_core.rules import CoordinatewiseLSTM
from l2l_core.store import load_tensors, read_json
from l2l_core.tasks import Quadratic
from l2l_core.unroll import first_order, second_order

LABELS = {
    "ablation": {},
    "ablation-no-preprocessing": {"features": RawGradient()},
    "ablation-multiplied": {"features": Multiplied(300.0)},
    "ablation-p-5": {"features": LogSign(p=5.0)},
    "ablation-second-order": {"oracle": second_order},
    "ablation-window-5": {"window": 5},
    "ablation-window-10": {"window": 10},
    "ablation-window-50": {"window": 50},
    "ablation-window-100": {"window": 100},
    "ablation-scale-0.01": {"scale": 0.01},
    "ablation-scale-1": {"scale": 1.0},
    "ablation-rate-0.001": {"meta_lr": (1e-3, 1e-3)},
    "ablation-rate-0.003": {"meta_lr": (3e-3, 3e-3)},
    "ablation-rate-0.03": {"meta_lr": (3e-2, 3e-2)},
    "ablation-forgetful": {"wrapper": "Forgetful(every=20)"},
    "ablation-reflected": {"wrapper": "Reflected(seed=0)"},
    "ablation-four": {"b": 4},
    "ablation-hidden-10": {"hidden": (10, 10)},
    "ablation-hidden-40": {"hidden": (40, 40)},
    "ablation-depth-1": {"hidden": (20,)},
    "ablation-depth-3": {"hidden": (20, 20, 20)},
    "ablation-forget-bias": {"forget_bias": 1.0},
    "ablation-by-sum": {"score": throughout},
}
every_arm = pytest.mark.parametrize("name", ARMS)


def settings(recipe):
    """All that makes a recipe: its fields, and instead of its function `rule`, what that returns."""
    known = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    for name in ("name", "summary", "rule", "scales"):
        del known[name]
    rule = fresh_rule(recipe, 0)
    inner = getattr(rule, "rule", rule)
    assert type(inner) is CoordinatewiseLSTM
    hidden = tuple(cell.hidden for cell in inner.cells)
    plain = replace(
        recipe,
        rule=lambda: CoordinatewiseLSTM(hidden[0], len(hidden), features=inner.features, scale=inner.scale),
    )
    shifts = {
        float((c.bias - p.bias).detach()[h : 2 * h].mean())
        for c, p, h in zip(inner.cells, fresh_rule(plain, 0).cells, hidden, strict=True)
    }
    (shift,) = shifts
    budget = dict(vars(recipe.budget("paper")))
    del budget["meta_steps"], budget["validate_every"]
    return (
        known
        | budget
        | {
            "wrapper": "" if inner is rule else f"{type(rule).__name__}({rule.extra_repr()})",
            "features": inner.features,
            "scale": inner.scale,
            "hidden": hidden,
            "forget_bias": round(shift, 6),
        }
    )


def differences(one, other):
    assert one.keys() == other.keys()
    return {key: one[key] for key in one if one[key] != other[key]}


def test_every_arm_has_its_label_here():
    assert LABELS.keys() == ARMS.keys()
    assert all(trial(name) is one for name, one in ABLATIONS.items())


@every_arm
def test_an_arm_differs_from_the_first_in_what_its_label_says_and_in_nothing_else(name):
    assert differences(settings(ARMS[name]), settings(BASE)) == LABELS[name]


def test_the_first_is_the_printed_protocol():
    known = settings(BASE)
    assert (known["features"], known["scale"], known["hidden"]) == (LogSign(p=10.0), 0.1, (20, 20))
    assert (known["window"], BASE.horizon, known["b"], known["oracle"]) == (20, 100, 1, first_order)
    assert (known["score"], BASE.meta_lr, known["wrapper"]) == (at, (0.01, 0.01), "")


@every_arm
def test_every_arm_trains_on_equally_many_inner_steps_and_is_validated_equally_often(name):
    budget = ARMS[name].budget("paper")
    assert budget.meta_steps * ARMS[name].window * budget.b == INNER_STEPS
    assert budget.meta_steps == SHARES * budget.validate_every
    episode = ARMS[name].horizon // ARMS[name].window
    assert budget.validate_every % episode == 0  # whole episodes: no window of them is favoured


@pytest.mark.parametrize("name", FULL_SIZE)
def test_at_full_size_nothing_but_the_task_is_different(name):
    small, full = settings(ARMS[name.replace("-full", "")]), settings(FULL_SIZE[name])
    assert differences(full, small).keys() == {"task", "family"}
    assert [FULL_SIZE[name].task("train", "cpu").pool, BASE.task("train", "cpu").pool] == [1, 2]


def test_arms_start_from_the_same_weights_and_train_on_the_same_problems(monkeypatch, tmp_path):
    seen = {}

    def watched(rule, estimator, validate, training, *, seed, out, **rest):
        seen[out.parts[-3]] = [w.detach() for w in rule.parameters()], seed
        raise FloatingPointError("seen enough")

    monkeypatch.setattr(experiment, "meta_train", watched)
    for name in ("ablation", "ablation-window-5", "ablation-reflected", "ablation-second-order"):
        with pytest.raises(FloatingPointError):
            train_meta_seed(ARMS[name], "smoke", 2, tmp_path / name, progress=False)
    weights, seed = seen.pop("ablation")
    assert seed == "ablation/2/0"
    for others, stream in seen.values():
        assert stream == seed
        assert_same(others, weights)


def test_windows_of_any_length_draw_the_same_start_and_minibatches():
    first = {}
    for name in ("ablation", "ablation-window-5", "ablation-window-100"):
        rule = fresh_rule(BASE, 0)
        estimator = ARMS[name].estimator(rule, "smoke", "cpu")
        estimate, _ = estimator.step(dict(rule.named_parameters()), estimator.init(generator("one")))
        first[name] = estimate.losses[0, :6]
    for losses in first.values():
        torch.testing.assert_close(losses, first["ablation"], rtol=1e-6, atol=0)


TINY = Budget(4, 1, b=2, validation_problems=4, tuning_problems=0, test_problems=2, seeds=1)
LITTLE = {"task": lambda split, device: Quadratic(n=3, device=device), "scales": {"paper": TINY}}


def test_another_selection_is_of_the_same_run(tmp_path):
    ends = []
    for name in ("ablation", "ablation-by-sum"):
        train_meta_seed(replace(ARMS[name], **LITTLE), "paper", 0, tmp_path / name, progress=False)
        tensors, _ = load_tensors(tmp_path / name / "seed0" / "restart0" / "checkpoint.safetensors")
        ends.append({key: w for key, w in tensors.items() if key.startswith("phi.")})
    assert_same(*ends)


def test_the_mean_of_all_steps_leaves_out_the_start_that_no_rule_can_help():
    curves = torch.tensor([[9.0, 1.0, 2.0, 6.0, 100.0], [9.0, 0.0, 0.0, 3.0, 100.0]])
    assert throughout(curves, 3, 1).tolist() == [3.0, 1.0]


def test_the_rules_of_an_ablation_are_not_shipped(tmp_path):
    arm = replace(BASE, **LITTLE)
    train_meta_seed(arm, "paper", 0, tmp_path / "run", progress=False)
    report(arm, "paper", tmp_path / "run", "the command", progress=False)
    assert promote(arm, tmp_path / "run", tmp_path / "results", tmp_path / "zoo") == []
    assert (tmp_path / "results" / "ablation" / "curves.json").exists()
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("name", [name for name in ABLATIONS if (RESULTS / name / "metrics.json").exists()])
def test_results_are_complete_and_hide_no_divergence(name):
    metrics, curves = (read_json(RESULTS / name / f"{part}.json") for part in ("metrics", "curves"))
    assert [seed["seed"] for seed in metrics["seeds"]] == [one["seed"] for one in curves["learned"]] == [0, 1, 2]
    assert metrics["problems"]["test"] == 20
    for seed, one in zip(metrics["seeds"], curves["learned"], strict=True):
        (run,) = seed["restarts"]
        assert run["meta_steps"] == ABLATIONS[name].budget("paper").meta_steps
        assert len(run["history"]) == SHARES + 1
        finite = all(map(torch.isfinite, torch.tensor(one["mean"])))
        assert finite == (seed["diverged"] == 0)


def test_what_they_will_cost_is_planned_for_every_arm_before_they_run(monkeypatch):
    asked = []

    def cost(arm, scale, *, seconds, clock):
        asked.append((arm.name, scale))
        return Cost(window=0.1, validation=1.0, windows=10, validations=2, window_bytes=0)

    monkeypatch.setattr(plan, "cost", cost)
    assert plan.plan() == dict.fromkeys(ARMS, 3.0)
    assert asked == [(name, "paper") for name in ARMS]
