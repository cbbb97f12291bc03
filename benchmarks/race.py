"""Sides take turns: the same work, the same cores, one running at a time, round after round."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.check import same_work
from benchmarks.workloads import Workload

XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class Race(NamedTuple):
    """What was measured: `speed` in inner steps per second, one number a round; `peak` in bytes above imports."""

    speed: dict[str, list[float]]
    peak: dict[str, int]

    def ratio(self, side: str, other: str) -> list[float]:
        """How many times faster `side` was than `other`, round by round."""
        return [a / b for a, b in zip(self.speed[side], self.speed[other], strict=True)]


class Worker:
    """A process that answers lines with JSON, pinned to the first `threads` cores that this process may use."""

    def __init__(self, threads: int, module: str, *args: str):
        command = [sys.executable, "-m", module, *args]
        self.name = " ".join(command[2:4])
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads, *args)
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, cores()[:threads])
        self.answer()

    def ask(self, line: str) -> dict[str, Any]:
        """Send one line and wait for its answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next line. Raises RuntimeError if the worker has died; what it said stands on stderr."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.communicate()


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def environment(threads: int, *words: str) -> dict[str, str]:
    """This process's environment, with every library told how many threads to use.

    The kernel has threads of its own. Beside it, PyTorch's OpenMP workers must not spin while they are idle, as they
    do by default; for plain PyTorch that default is faster, and it gets it whatever this process was told.
    """
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    flags = {"XLA_FLAGS": XLA_ONE_THREAD} if threads == 1 else {}
    if "compiled" in words:
        flags["OMP_WAIT_POLICY"] = "passive"
    inherited = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    return {**inherited, **counts, **flags, "JAX_PLATFORMS": "cpu"}


@contextmanager
def workers(sides: tuple[str, ...], problem: Path, mode: str, threads: int) -> Iterator[dict[str, Worker]]:
    """One worker a side, ended when the block is left."""
    running: dict[str, Worker] = {}
    try:
        for side in sides:
            running[side] = Worker(threads, "benchmarks.worker", side, str(problem), mode)
        yield running
    finally:
        for worker in running.values():
            worker.close()


def clock(threads: int) -> str:
    """The clock that is fair: process CPU time, unless threads wait for one another."""
    return "cpu" if threads == 1 else "wall"


def race(
    workload: Workload, problem: Path, mode: str, sides: tuple[str, ...], threads: int, rounds: int, seconds: float
) -> Race:
    """Check that all sides do the same work, then time them in turn; a turn takes about `seconds`.

    Raises `check.DifferentWork` if they do not. Sides that run another rule (Adam) are not compared.
    """
    speed: dict[str, list[float]] = {side: [] for side in sides}
    peak: dict[str, int] = {}
    with workers(sides, problem, mode, threads) as running:
        found = {side: problem.with_name(f"found-{side}.npz") for side in sides}
        for side, worker in running.items():
            worker.ask(f"check {found[side]}")
        same_work({side: path for side, path in found.items() if side != "adam"})
        units = {side: max(1, round(seconds / worker.ask("run 1")[clock(threads)])) for side, worker in running.items()}
        for _ in range(rounds):
            for side, worker in running.items():
                answer = worker.ask(f"run {units[side]}")
                speed[side].append(units[side] * workload.steps(mode) / answer[clock(threads)])
                peak[side] = answer["peak"]
    return Race(speed, peak)
