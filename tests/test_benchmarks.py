"""The benchmarks run: all sides do the same work, and the file says what was measured. No timing decides."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plan
from benchmarks.__main__ import before
from benchmarks.check import DifferentWork, same_work
from benchmarks.floor import floor, optimizee_flops
from benchmarks.plan import ALL, facts
from benchmarks.problem import Problem, draw
from benchmarks.race import Race, environment
from benchmarks.report import code, header
from benchmarks.sides import available
from benchmarks.workloads import CURVES, RACES, Workload, tiny
from l2l_core.store import write_json

ROOT = Path(__file__).parents[1]
SIDES = {"ours", "compiled", "ports"} | ({"jax"} if available("jax") else set())


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *args], cwd=ROOT, text=True, capture_output=True, check=False
    )


def test_a_smoke_run_checks_all_sides_and_stores_small_json(tmp_path):
    out = tmp_path / "found.json"
    done = run("B2", "roofline", "--smoke", "--threads", "1", "--modes", "train", "--out", str(out))
    assert done.returncode == 0, done.stderr
    stored = json.loads(out.read_text())
    assert {"cpu", "cores", "versions", "images", "left_out", "rounds", "items"} <= stored.keys()
    assert ("jax" in stored["left_out"]) == ("jax is left out" in done.stderr) == (not available("jax"))
    race, roofline = stored["items"]
    assert (race["kind"], race["workload"], race["mode"], race["threads"]) == ("race", "B2", "train", 1)
    assert race["sides"].keys() == SIDES
    for side, found in race["sides"].items():
        assert len(found["speed"]) == stored["rounds"] == 1
        assert found["peak_mb"] >= 0
        assert found["of_floor"] > 0
        for mine in ("ours", "compiled"):
            assert (f"{mine}_is_faster" in found) == (side != mine)
    assert roofline["fastest"].keys() == {"train", "evaluate"}
    assert all(rate > 0 for rate in roofline["rates"]["gemm"].values())

    # broken off after the race: that is kept, the rest is measured
    race["sides"]["ours"]["speed"] = [123.0]
    part = tmp_path / "found.part"
    part.write_text(json.dumps({**stored, "items": [race]}))
    again = run("B2", "roofline", "--smoke", "--threads", "1", "--modes", "train", "--out", str(out))
    assert again.returncode == 0, again.stderr
    kept, measured = json.loads(out.read_text())["items"]
    assert kept["sides"]["ours"]["speed"] == [123.0]
    assert measured["kind"] == "roofline"
    assert not part.exists()

    result = out.read_bytes()
    part.write_text(json.dumps({**stored, "cpu": "abacus"}))
    refused = run("B2", "--smoke", "--threads", "1", "--out", str(out))
    assert refused.returncode != 0
    assert "was measured under another cpu" in refused.stderr
    assert out.read_bytes() == result


@pytest.mark.parametrize("changed", ["code", "rounds", "memory", "smoke"])
def test_what_was_measured_by_other_settings_is_not_gone_on_with(changed, tmp_path):
    now = header(5, 1.0) | {"memory": 6.0, "smoke": False, "items": []}
    assert now["code"] == code()
    write_json(tmp_path / "found.part", {**now, "items": [{"kind": "race"}]})
    assert before(tmp_path / "found.part", now) == [{"kind": "race"}]
    with pytest.raises(SystemExit, match=f"was measured under another {changed}; delete it"):
        before(tmp_path / "found.part", now | {changed: "other"})


def test_the_phases_of_a_window_add_up(tmp_path):
    done = run("anatomy", "--smoke", "--out", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    (item,) = json.loads((tmp_path / "found.json").read_text())["items"]
    assert item["sides"].keys() == {"ours", "compiled", "ports"}
    for phases in item["sides"].values():
        assert phases.keys() == {"gradient", "step", "back", "rest"}
        assert all(seconds > 0 for seconds in phases.values())


def test_twice_the_steps_a_second_are_twice_as_fast_round_by_round():
    told = facts(Race({"ours": [4.0, 9.0], "ports": [2.0, 3.0]}, {"ours": 2_000_000, "ports": 0}))["sides"]
    assert told["ports"]["ours_is_faster"] == [2, 3]
    assert told["ours"]["peak_mb"] == 2
    assert "ours_is_faster" not in told["ours"]


def test_a_side_leaves_a_curve_before_it_needs_more_memory_than_it_may(tmp_path, monkeypatch):
    """One megabyte an optimizee and ten: 700 are enough for 256 of the one, and for 64 of the other."""
    megabytes = {"ours": 1, "ports": 10}

    def race(self, workload, problem, mode, sides, threads):
        return {"sides": {side: {"peak_mb": megabytes[side] * workload.b} for side in sides}}

    monkeypatch.setattr(plan, "sides_of", lambda mode: tuple(megabytes))
    monkeypatch.setattr(plan.Plan, "race", race)
    monkeypatch.setattr(plan.Plan, "store", lambda self, workload: tmp_path)
    settings = plan.Settings(1, (1,), ("train",), 1.0, memory=700e6)
    found = {item["size"]: set(item["sides"]) for item in plan.Plan(("optimizees",), settings, tmp_path).run()}
    both = {"ours", "ports"}
    assert found == {1: both, 4: both, 16: both, 64: both, 256: {"ours"}}


@pytest.mark.parametrize("inherited", [{}, {"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "passive"}])
@pytest.mark.parametrize("side", ["ours", "ports", "jax", "adam"])
def test_only_beside_the_kernel_are_pytorchs_idle_threads_told_to_sleep(side, inherited, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for key, value in inherited.items():
        monkeypatch.setenv(key, value)
    assert environment(2, "compiled", "problem.npz", "train")["OMP_WAIT_POLICY"] == "passive"
    assert "OMP_WAIT_POLICY" not in environment(2, side, "problem.npz", "train")


@pytest.mark.parametrize("threads", [1, 2])
def test_every_library_is_told_the_same_number_of_threads(threads, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    found = environment(threads, "ours")
    assert {found[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {str(threads)}
    assert ("XLA_FLAGS" in found) == (threads == 1)


def test_help_names_everything_that_can_be_measured():
    said = run("--help").stdout
    assert all(name in said for name in ALL)


def found(path, losses, **grad):
    np.savez(path, found=losses, **grad)
    return path


def test_sides_that_do_different_work_are_not_timed(tmp_path):
    losses, grad = np.random.rand(3, 5), np.random.rand(7)
    ours = found(tmp_path / "ours.npz", losses, weight=grad)
    same_work({"ours": ours, "same": found(tmp_path / "same.npz", losses[::-1] * (1 + 1e-6), weight=grad)})
    for name, other in {
        "losses": found(tmp_path / "losses.npz", 1.01 * losses, weight=grad),
        "gradient": found(tmp_path / "gradient.npz", losses, weight=1.1 * grad),
        "shape": found(tmp_path / "shape.npz", losses[:, :3], weight=grad),
        "nan": found(tmp_path / "nan.npz", losses, weight=np.full(7, np.nan)),
    }.items():
        with pytest.raises(DifferentWork, match=name if name in ("gradient",) else "differs"):
            same_work({"ours": ours, name: other})


@pytest.mark.parametrize("name", RACES)
def test_a_problem_is_drawn_once_and_read_as_it_was_written(name, tmp_path):
    workload = tiny(RACES[name][0])
    problem = draw(workload)
    problem.save(tmp_path / "problem.npz")
    read = Problem.load(tmp_path / "problem.npz")
    assert read.workload == workload
    assert sorted(name for names in read.groups.values() for name in names) == sorted(problem.params)
    for mine, theirs in (
        (problem.params, read.params),
        (problem.data, read.data),
        *zip(problem.phi.values(), read.phi.values(), strict=True),
    ):
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)


def test_sizes_are_those_that_are_promised():
    assert {name: RACES[name][0].window for name in ("B1", "B2")} == {"B1": 20, "B2": 20}
    counts = {name: sum(p.size for p in draw(workload).params.values()) for name, (workload, _) in RACES.items()}
    assert counts == {"B1": 1280, "B2": 15910, "B3": 987_210, "B4": 22_602}
    assert [max(sizes) for sizes, _ in CURVES.values()] == [10**7, 200, 256]


def test_the_floor_counts_what_a_step_needs():
    problem = draw(Workload("B2", "mlp", 20, {"all": "mnist-as-printed-lstm"}))
    slow = {"gemm": {f"{what}{k}": 1.0 for what in ("forward", "inputs", "weights") for k in (0, 1)}}
    n, h = 15_910, 20
    forward, optimizee = 2 * 4 * h * (23 + 41) * n, 128 * (4 * 784 * 20 + 6 * 20 * 10)
    assert optimizee_flops(problem) == optimizee
    free = slow | {"sigmoid": float("inf"), "tanh": 1.0}
    assert floor(problem, "evaluate", free) == pytest.approx(forward + optimizee)
    assert floor(problem, "train", free) == pytest.approx(2 * forward + 2 * 4 * h * (20 + 40) * n + optimizee)
    calls = floor(problem, "evaluate", slow | {"sigmoid": 1.0, "tanh": 0.5}) - forward - optimizee
    assert calls == pytest.approx(200 * n)
