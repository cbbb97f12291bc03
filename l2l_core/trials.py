"""What finished optimizers are tested on, and against whom."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any, Self

from l2l_core.rule import Rule
from l2l_core.types import Task

Finished = tuple[Rule, dict[str, Any]]
"""One meta-seed: its trained rule, and what is known of it ("recipe", "seed", "validation", …)."""


@dataclass(frozen=True, kw_only=True)
class Problems:
    """How many problems a trial takes at one scale.

    Reports on `test_problems`; learning rates of baselines tuned on `tuning_problems` (0: those at which tuning
    would start are used). Episodes and tests end after `steps` at the latest.
    """

    tuning_problems: int = 256
    test_problems: int = 2000
    steps: float = inf


@dataclass(frozen=True, kw_only=True)
class Trial(ABC):
    """A test of finished meta-seeds beside hand-designed rules. Trials of one `family` draw the same problems.

    `task(split, device)` makes the task for one set of data. Baselines are tuned for `horizon` steps, and again for
    all `test_steps`, over which curves are reported, multiplied by `unit`; "at step t" averages the last `average`
    steps. `baselines` maps the hand-designed rules to learning rates at which their tuning starts, `as_printed` to
    those that recover the paper's own curves, `carried` to those that were tuned on another task.
    """

    name: str
    family: str
    summary: str
    task: Callable[[str, str], Task]
    horizon: int
    test_steps: int
    scales: Mapping[str, Problems]
    baselines: Mapping[str, float]
    unit: float = 1.0
    average: int = 1
    as_printed: Mapping[str, float] = field(default_factory=dict)
    carried: Mapping[str, float] = field(default_factory=dict)

    @property
    def kept(self) -> list[int]:
        """Steps whose losses are stored: all to 200, then those that "at step t" averages at 20 steps t a decade."""
        marks = {round(10 ** (k / 20)) for k in range(46, 200)} | {self.horizon, self.test_steps}
        near = {t for mark in marks for t in range(mark - self.average + 1, mark + 1)}
        return sorted(t for t in {*range(201), *near} if 0 <= t <= self.test_steps)

    def budget(self, scale: str) -> Problems:
        """The budget at `scale`. Raises ValueError for an unknown one."""
        if scale not in self.scales:
            raise ValueError(f"{self.name!r} has no scale {scale!r}; it has {', '.join(self.scales)}")
        return self.scales[scale]

    def at_scale(self, scale: str) -> Self:
        """The trial with the `horizon` and the `test_steps` that it has at `scale`. Raises ValueError as `budget`."""
        most = self.budget(scale).steps
        return replace(self, horizon=min(self.horizon, most), test_steps=min(self.test_steps, most))

    @abstractmethod
    def seeds(self, scale: str) -> int:
        """How many meta-seeds, 0 … seeds − 1, there should be."""

    @abstractmethod
    def finished(self, scale: str, out: Path) -> list[Finished]:
        """The meta-seeds that there are, in order. Raises FileNotFoundError if there is none."""
