"""What is to be measured, one item after another: races, scaling curves, the roofline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.floor import floor
from benchmarks.problem import Problem, draw
from benchmarks.race import Race, Worker, race
from benchmarks.sides import available
from benchmarks.workloads import CURVES, RACES, Workload, tiny

Item = dict[str, Any]
ALL = (*RACES, *CURVES, "anatomy", "roofline")
"""Names of what can be measured."""
ROOFLINE = "B2"
"""The workload whose floor is computed."""
ANATOMY = ("B1", "B2", "B4")
"""Workloads whose windows are taken apart."""


@dataclass(frozen=True)
class Settings:
    """How thoroughly: `rounds` turns a side of about `seconds` each; a side leaves a curve before it needs `memory`."""

    rounds: int
    threads: tuple[int, ...]
    modes: tuple[str, ...]
    seconds: float
    memory: float
    smoke: bool = False


@dataclass(frozen=True)
class Plan:
    """`names` of `ALL`, measured in a scratch `folder`; items are dictionaries that JSON can hold.

    What is among the `known` items is not measured again.
    """

    names: tuple[str, ...]
    settings: Settings
    folder: Path
    known: list[Item] = field(default_factory=list)

    def run(self) -> Iterator[Item]:
        """Item after item."""
        for threads in self.settings.threads:
            for name in self.names:
                if name in RACES:
                    yield from self.races(name, threads)
        for name in self.names:
            if name in CURVES:
                yield from self.curve(name)
        if "anatomy" in self.names:
            for name in ANATOMY[: 1 if self.settings.smoke else None]:
                yield self.once({"kind": "anatomy", "workload": name, "threads": 1}, partial(self.anatomy, name))
        if "roofline" in self.names:
            for threads in self.settings.threads:
                key = {"kind": "roofline", "workload": ROOFLINE, "threads": threads}
                yield self.once(key, partial(self.ceilings, threads))

    def once(self, key: Item, measure: Callable[[], Item]) -> Item:
        """The known item of this key, or what is measured now."""
        same = (item for item in self.known if all(item.get(name) == value for name, value in key.items()))
        return next(same, None) or {**key, **measure()}

    def races(self, name: str, threads: int) -> Iterator[Item]:
        """One workload in all its modes."""
        workload, modes = RACES[name]
        problem = self.store(workload)
        for mode in (mode for mode in modes if mode in self.settings.modes):
            key = {"kind": "race", "workload": name, "mode": mode, "threads": threads}
            yield self.once(key, partial(self.race, workload, problem, mode, sides_of(mode), threads))

    def curve(self, name: str) -> Iterator[Item]:
        """One scaling curve on one thread, smallest first; a side leaves before it needs too much memory."""
        sizes, modes = CURVES[name]
        points = list(sizes.items())[: 2 if self.settings.smoke else None]
        for mode in (mode for mode in modes if mode in self.settings.modes):
            sides, before = sides_of(mode), None
            for size, workload in points:
                if before is not None:
                    most = 1e-6 * self.settings.memory * before["size"] / size
                    sides = tuple(s for s in sides if before["sides"][s]["peak_mb"] < most)
                if not sides:
                    break
                key = {"kind": "curve", "curve": name, "size": size, "mode": mode, "threads": 1}
                before = self.once(key, partial(self.race, workload, self.store(workload), mode, sides, threads=1))
                yield before

    def anatomy(self, name: str) -> Item:
        """Seconds a step of each phase of meta-training on one thread, medians over rounds."""
        problem, sides = self.store(RACES[name][0]), {}
        for side in ("ours", "compiled", "ports"):
            worker = Worker(1, "benchmarks.anatomy", side, str(problem))
            try:
                rounds = [worker.ask("run 2") for _ in range(self.settings.rounds)]
            finally:
                worker.close()
            sides[side] = {phase: short(median(r[phase] for r in rounds)) for phase in rounds[0]}
        return {"sides": sides}

    def ceilings(self, threads: int) -> Item:
        """The machine's rates, each the median over rounds, and the floor they set."""
        problem = Problem.load(self.store(RACES[ROOFLINE][0]))
        worker = Worker(threads, "benchmarks.roofline")
        try:
            rounds = [worker.ask("run 1") for _ in range(self.settings.rounds)]
        finally:
            worker.close()
        rates = {k: median(r[k] for r in rounds) for k in rounds[0] if k != "gemm"}
        rates["gemm"] = {k: median(r["gemm"][k] for r in rounds) for k in rounds[0]["gemm"]}
        fastest = {mode: short(1 / floor(problem, mode, rates)) for mode in ("train", "evaluate")}
        rates = {k: {n: short(r) for n, r in v.items()} if k == "gemm" else short(v) for k, v in rates.items()}
        return {"rates": rates, "fastest": fastest}

    def race(self, workload: Workload, problem: Path, mode: str, sides: tuple[str, ...], threads: int) -> Item:
        """A race with this plan's settings."""
        settings = self.settings
        return facts(race(workload, problem, mode, sides, threads, settings.rounds, settings.seconds))

    def store(self, workload: Workload) -> Path:
        """The file of a workload's numbers."""
        path = self.folder / f"{workload.name}.npz"
        if not path.exists():
            draw(tiny(workload) if self.settings.smoke else workload).save(path)
        return path


def sides_of(mode: str) -> tuple[str, ...]:
    """The sides that take part in a mode, of those that this installation can run."""
    return tuple(filter(available, ("ours", "compiled", "ports", "adam" if mode == "step" else "jax")))


def facts(result: Race) -> Item:
    """A race as JSON holds it: rounds of speed, megabytes, how many times faster ours was than each other side, and
    the same of ours with its compiled kernel.
    """
    sides = {
        side: {"speed": [short(s) for s in speed], "peak_mb": round(result.peak[side] / 1e6)}
        for side, speed in result.speed.items()
    }
    for mine in ("ours", "compiled"):
        for other in set(sides) - {mine} if mine in sides else ():
            sides[other][f"{mine}_is_faster"] = [short(r) for r in result.ratio(mine, other)]
    return {"sides": sides}


def short(number: float) -> float:
    """Four significant digits."""
    return float(f"{number:.4g}")
