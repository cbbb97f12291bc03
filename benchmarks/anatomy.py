"""Where the time of meta-training goes, phase by phase.

    python -m benchmarks.anatomy SIDE PROBLEM

speaks as `worker` does; each "run K" answers with the seconds of process CPU time a step that K windows spent in

    gradient   the optimizee's loss and its gradient
    step       the rule's own step
    back       the way back through the window
    rest       minibatches, sums, carrying things from here to there

Phases are told apart by watching the functions in which they happen.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from benchmarks.problem import Problem
from benchmarks.sides import Side, side

PHASES = ("gradient", "step", "back", "rest")


class Stopwatch:
    """Process CPU seconds by phase."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PHASES, 0.0)

    def watch(self, owner: object, name: str, phase: str) -> None:
        """Add the time of every call of `owner.name` to a phase."""
        function: Callable = getattr(owner, name)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[phase] += time.process_time() - begun

        object.__setattr__(owner, name, timed) if not isinstance(owner, type) else setattr(owner, name, timed)


def watched(work: Side, kind: str) -> Stopwatch:
    """A stopwatch on the phases of one side."""
    clock = Stopwatch()
    if kind == "ports":
        clock.watch(work, "losses", "gradient")
        clock.watch(work, "gradient", "gradient")
        clock.watch(work, "update", "step")
        clock.watch(torch.Tensor, "backward", "back")
    else:
        clock.watch(work.estimator.unroll, "evaluate", "gradient")
        clock.watch(work.rule, "update_many", "step")
        clock.watch(work.rule, "pullback", "back")
    return clock


def measure(work: Side, clock: Stopwatch, windows: int, steps: int) -> dict[str, float]:
    """Seconds a step of each phase over some windows."""
    clock.spent = dict.fromkeys(PHASES, 0.0)
    begun = time.process_time()
    work.train(windows)
    clock.spent["rest"] = time.process_time() - begun - sum(clock.spent.values())
    return {phase: seconds / (windows * steps) for phase, seconds in clock.spent.items()}


if __name__ == "__main__":
    answers, kind, problem = sys.stdout, sys.argv[1], Problem.load(Path(sys.argv[2]))
    with redirect_stdout(sys.stderr):
        work = side(kind)(problem)
        clock = watched(work, kind)
        work.train(1)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            found = measure(work, clock, int(line.split()[1]), problem.workload.window)
            print(json.dumps(found), file=answers, flush=True)
