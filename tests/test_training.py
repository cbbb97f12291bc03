"""Meta-training: what a run is, that it can stop, and that it can go on."""

import gc
import json
import signal
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import torch
from conformance import assert_same, make, phi_of, run_python, small_lstm
from torch import nn

from l2l_core import Training, Unroll, evaluate, from_module, meta_train, second_order, tbptt
from l2l_core.evaluation import generator
from l2l_core.rules import NAG, SGD, Adam, CoordinatewiseLSTM, Grouped, Momentum, RMSprop, Scheduled, cosine
from l2l_core.rules.wrappers import constant
from l2l_core.store import load_tensors, save_tensors
from l2l_core.tasks import Quadratic
from l2l_core.training import identity

TRAINING = Training(meta_steps=12, lr=0.01, validate_every=4)


def setup(task=None, *, name="lstm", rule=None, b=2, window=3, horizon=6, oracle=None, visited=1.0):
    """A rule, an estimator of its meta-gradient and a validation, all small."""
    rule, task = rule or make(name), task or Quadratic(3, dtype=torch.float64)
    unroll = Unroll(rule, horizon, oracle) if oracle else Unroll(rule, horizon)
    return (
        rule,
        tbptt(unroll, task, b, window, visited=visited),
        lambda phi: float(evaluate(rule, task, 4, horizon, phi=phi)[:, -1].mean()),
    )


def without_seconds(history):
    return [{k: v for k, v in line.items() if k not in ("seconds", "cpu_seconds")} for line in history]


def log_of(out):
    return [json.loads(line) for line in (Path(out) / "log.jsonl").read_text().splitlines()]


# what a run does


def test_a_run_is_adam_on_the_stream_of_meta_gradients():
    rule, estimator, _ = setup()
    phi = {name: w.clone().requires_grad_() for name, w in phi_of(rule).items()}
    adam = torch.optim.Adam(phi.values(), lr=1)
    state = estimator.init(generator("train", "name"))
    for step in range(5):
        estimate, state = estimator.step({name: w.detach() for name, w in phi.items()}, state)
        norm = torch.stack([g.square().sum() for g in estimate.grad.values()]).sum().sqrt()
        for name, w in phi.items():
            w.grad = estimate.grad[name] * min(1, 0.5 / float(norm))
        adam.param_groups[0]["lr"] = 0.01 / (1 + step / 3)
        adam.step()
    scores = iter([2.0, 1.0])
    settings = Training(5, 0.01, validate_every=5, slowdown=3, clip=0.5)
    trained = meta_train(rule, estimator, lambda _: next(scores), settings, seed="name")
    assert_same(trained.phi, {name: w.detach() for name, w in phi.items()}, rtol=1e-12, atol=1e-14)


def test_one_seed_gives_one_run_and_another_seed_another():
    one, again, other = (meta_train(*setup(), TRAINING, seed=seed) for seed in (0, 0, 1))
    assert_same(one.phi, again.phi)
    assert without_seconds(one.history) == without_seconds(again.history)
    assert one.history[0]["validation"] == other.history[0]["validation"]
    assert one.history[1]["validation"] != other.history[1]["validation"]


def test_the_rule_that_is_passed_in_is_not_changed():
    rule, estimator, validate = setup()
    before = {name: w.clone() for name, w in phi_of(rule).items()}
    meta_train(rule, estimator, validate, TRAINING)
    assert_same(phi_of(rule), before)


def test_the_best_weights_on_validation_are_returned_with_their_score():
    scores, seen = iter([5.0, 3.0, 1.0, 4.0]), []

    def validate(phi):
        seen.append({name: w.clone() for name, w in phi.items()})
        return next(scores)

    rule, estimator, _ = setup()
    trained = meta_train(rule, estimator, validate, TRAINING)
    assert trained.score == 1.0
    assert_same(trained.phi, seen[2])
    assert [(line["meta_step"], line["validation"], line["best"]) for line in trained.history] == [
        (0, 5, 5), (4, 3, 3), (8, 1, 1), (12, 4, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [nan, inf])
def test_validations_without_a_new_best_end_the_run_when_patience_does(bad):
    scores = iter([bad, 2.0, 1.0, 3.0, bad, 0.0])
    rule, estimator, _ = setup()
    trained = meta_train(rule, estimator, lambda _: next(scores), replace(TRAINING, meta_steps=99, patience=2))
    assert [line["meta_step"] for line in trained.history] == [0, 4, 8, 12, 16]
    assert trained.score == 1.0


@pytest.mark.parametrize("bad", [nan, inf])
def test_weights_that_never_had_a_finite_score_are_the_first_ones(bad):
    rule, estimator, _ = setup()
    trained = meta_train(rule, estimator, lambda _: bad, TRAINING)
    assert trained.score == inf
    assert_same(trained.phi, phi_of(rule))


def test_training_lowers_the_validation_loss():
    rule = CoordinatewiseLSTM(hidden=8)
    task = Quadratic(5)
    estimator = tbptt(Unroll(rule, 20), task, b=16, window=10)
    trained = meta_train(
        rule, estimator, lambda phi: float(evaluate(rule, task, 32, 20, phi=phi)[:, -1].mean()), Training(60, 0.02, 20)
    )
    assert trained.score < 0.7 * trained.history[0]["validation"]


def test_the_second_order_oracle_trains_too():
    trained = meta_train(*setup(rule=SGD(0.01), oracle=second_order), TRAINING)
    assert trained.score < trained.history[0]["validation"]


def test_a_meta_gradient_that_is_not_finite_stops_the_run_with_advice():
    rule, estimator, validate = setup(rule=SGD(1e200))
    with pytest.raises(FloatingPointError, match=r"is (nan|inf) at meta-step 0 .*losses.*Try a lower learning rate"):
        meta_train(rule, estimator, validate, TRAINING)


def test_memory_is_flat_over_200_meta_steps():
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("the resident size is read from /proc")
    rule = CoordinatewiseLSTM(hidden=8)
    counts, sizes = [], []

    def validate(phi):
        gc.collect()
        counts.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))
        sizes.append(int(statm.read_text().split()[1]) * 4096)
        return float(len(counts))

    # one window's graph would take some 8 MB
    meta_train(rule, tbptt(Unroll(rule, 20), Quadratic(), b=32, window=20), validate, Training(220, 0.001, 20))
    assert len(set(counts[1:])) == 1
    assert sizes[-1] - sizes[1] < 2**26


# how a run goes on


def sittings(out, *deaths):
    """The exit statuses of a run's sittings."""
    done = run_python("-W", "ignore", Path(__file__).with_name("killed_run.py"), out, *deaths)
    assert done.stderr == ""
    return [int(line) for line in done.stdout.split()]


def assert_same_run(one, other):
    (tensors, facts), (others, other_facts) = (load_tensors(out / "checkpoint.safetensors") for out in (one, other))
    assert list(tensors) == list(others)
    assert_same(tensors, others)
    for some in (facts, other_facts):
        some["history"], some["seconds"], some["cpu_seconds"] = without_seconds(some["history"]), 0, 0
    assert facts == other_facts
    assert without_seconds(log_of(one)) == without_seconds(log_of(other)) == facts["history"]


def test_processor_time_adds_up_over_sittings_and_is_unknown_where_one_did_not_record_it(tmp_path):
    spent = []
    for steps in (4, 8):
        trained = meta_train(*setup(), replace(TRAINING, meta_steps=steps), out=tmp_path)
        spent.append(trained.history[-1]["cpu_seconds"])
    assert 0 < spent[0] < spent[1]
    path = tmp_path / "checkpoint.safetensors"
    tensors, facts = load_tensors(path)
    del facts["cpu_seconds"]
    save_tensors(path, tensors, facts)
    assert meta_train(*setup(), TRAINING, out=tmp_path).history[-1]["cpu_seconds"] is None


def test_a_run_killed_again_and_again_ends_as_one_that_was_not_to_the_bit(tmp_path):
    deaths = ["logged:1", "writing:3", "logged:2", "stepped:5", "never"]
    assert sittings(tmp_path / "killed", *deaths) == [-signal.SIGKILL] * 4 + [0]
    assert sittings(tmp_path / "whole", "never") == [0]
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["checkpoint.safetensors", "log.jsonl"]
    assert len(log_of(tmp_path / "whole")) == 6


def test_a_run_may_be_prolonged_as_if_it_had_been_planned_so(tmp_path):
    whole = meta_train(*setup(), TRAINING, out=tmp_path / "whole")
    for meta_steps in (5, 10, 12, 12):  # the last finds nothing left to do
        trained = meta_train(*setup(), replace(TRAINING, meta_steps=meta_steps), out=tmp_path / "parts")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert list(trained.phi) == list(whole.phi)
    assert_same(trained.phi, whole.phi)


def test_a_run_resumes_though_functions_of_its_task_have_new_addresses(tmp_path):
    def once(meta_steps):
        def make_module():
            return nn.Linear(2, 1).double()

        x = torch.ones(8, 2, dtype=torch.float64)
        task = from_module(make_module, lambda out, y: (out - y).square().mean(), x, x[:, :1], batch_size=2)
        return meta_train(*setup(task), replace(TRAINING, meta_steps=meta_steps), out=tmp_path)

    keep = once(4)
    assert [line["meta_step"] for line in once(8).history] == [0, 4, 8]
    assert keep.history[0]["meta_step"] == 0


def test_a_log_without_a_checkpoint_is_begun_again(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"meta_step": 0}\n')
    trained = meta_train(*setup(), TRAINING, out=tmp_path)
    assert log_of(tmp_path) == trained.history


OTHERS = {
    "seed": (dict(), dict(seed=1)),
    "lr": (dict(), dict(training=replace(TRAINING, lr=0.02))),
    "clip": (dict(), dict(training=replace(TRAINING, clip=1.0))),
    "task": (dict(task=Quadratic(4, dtype=torch.float64)), dict()),
    "start": (dict(rule=small_lstm().double()), dict()),
    "rule, start": (dict(rule=CoordinatewiseLSTM(hidden=5).double()), dict()),
    "estimator": (dict(window=2), dict()),
    "estimator ": (dict(b=3), dict()),
    "estimator  ": (dict(oracle=second_order), dict()),
    "visited": (dict(visited=0.5), dict()),
}


@pytest.mark.parametrize("differ", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(differ, tmp_path):
    changed, settings = OTHERS[differ]
    meta_train(*setup(), TRAINING, out=tmp_path, seed=0)
    settings = {"training": TRAINING, "seed": 0} | settings
    training = settings.pop("training")
    with pytest.raises(ValueError, match=f"belongs to another run: .*{differ.strip()}.* differ. Use another `out`"):
        meta_train(*setup(**changed), training, out=tmp_path, **settings)


def test_processes_on_different_gpus_are_one_run():
    def described(device):
        rule, estimator, _ = setup(Quadratic(3, device=device))
        return identity(phi_of(rule), estimator, TRAINING, 0)

    assert described("cuda:0") == described("cuda:1") == described("cuda") != described("cpu")


def test_a_rule_with_the_same_weights_and_another_scale_is_another_run(tmp_path):
    plain, louder = make("lstm"), make("lstm")
    louder.scale *= 2
    meta_train(*setup(rule=plain), TRAINING, out=tmp_path)
    with pytest.raises(ValueError, match="another run: rule differ"):
        meta_train(*setup(rule=louder), TRAINING, out=tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Momentum(0.1), Momentum(0.1, momentum=0.5)),
        (Momentum(0.1), NAG(0.1)),
        (RMSprop(0.1), RMSprop(0.1, alpha=0.9)),
        (Adam(0.1), Adam(0.1, betas=(0.5, 0.999))),
        (Adam(0.1), Adam(0.1, eps=1e-4)),
    ],
)
def test_a_hand_designed_rule_with_other_constants_is_another_run(one, other, tmp_path):
    meta_train(*setup(rule=one), TRAINING, out=tmp_path)
    with pytest.raises(ValueError, match="another run: rule differ"):
        meta_train(*setup(rule=other), TRAINING, out=tmp_path)


def test_a_checkpoint_from_before_a_setting_was_recorded_is_resumed(tmp_path):
    trained = meta_train(*setup(), TRAINING, out=tmp_path)
    tensors, facts = load_tensors(tmp_path / "checkpoint.safetensors")
    del facts["identity"]["rule"]
    facts["identity"]["task"] += " at 0x7f00"
    save_tensors(tmp_path / "checkpoint.safetensors", tensors, facts)
    assert without_seconds(meta_train(*setup(), TRAINING, out=tmp_path).history) == without_seconds(trained.history)


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_truncated_checkpoint_is_refused(left, tmp_path):
    meta_train(*setup(), TRAINING, out=tmp_path)
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"checkpoint.safetensors is truncated .* delete it to start again"):
        meta_train(*setup(), TRAINING, out=tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path):
    save_tensors(tmp_path / "checkpoint.safetensors", {"x": torch.ones(1)}, {"recipe": "quadratic"})
    with pytest.raises(ValueError, match="is not a checkpoint of meta-training"):
        meta_train(*setup(), TRAINING, out=tmp_path)


def test_a_diverged_run_diverges_again_where_it_did(tmp_path):
    def once():
        rule, estimator, validate = setup()
        with pytest.raises(FloatingPointError) as stopped:
            meta_train(rule, estimator, validate, Training(50, 1e200, 1), out=tmp_path)
        return str(stopped.value)

    assert once() == once()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: Scheduled(make("lstm"), constant), lambda: Scheduled(make("lstm"), cosine)),
        (lambda: Grouped({"a": make("lstm")}, lambda *_: "a"), lambda: Grouped({"a": make("lstm")}, _all_a)),
    ],
)
def test_another_schedule_or_grouping_is_another_run(one, other, tmp_path):
    meta_train(*setup(rule=one()), TRAINING, out=tmp_path)
    with pytest.raises(ValueError, match="another run: rule differ"):
        meta_train(*setup(rule=other()), TRAINING, out=tmp_path)


def _all_a(name, shape):
    return "a"


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan")])
def test_a_bound_on_lengths_is_above_zero(clip):
    with pytest.raises(ValueError, match="above 0"):
        replace(TRAINING, clip=clip)
