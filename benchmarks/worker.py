"""One side of a workload, in a process of its own.

    python -m benchmarks.worker SIDE PROBLEM MODE

It reads lines and answers each with one line of JSON, after a first one when it is ready:

    check FILE   do one unit of work from the start, and write what it found to FILE (this is the warm-up, too)
    run K        do K units of work: {"cpu": seconds, "wall": seconds, "peak": bytes}

`peak` is the most memory that the process has had resident so far, above what it had after its imports.
"""

import json
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import peak, resident
from benchmarks.problem import Problem
from benchmarks.sides import Window, side


def serve(name: str, problem: Path, mode: str) -> None:
    """Answer until there are no more lines."""
    answers = sys.stdout

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    with redirect_stdout(sys.stderr):
        kind = side(name)
        imported = resident()
        work = getattr(kind(Problem.load(problem)), mode)
        say(ready=True)
        for line in sys.stdin:
            command, argument = line.split(maxsplit=1)
            if command == "check":
                save(Path(argument.strip()), work(1))
                say(peak=peak() - imported)
            else:
                cpu, wall = time.process_time(), time.perf_counter()
                work(int(argument))
                say(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall, peak=peak() - imported)


def save(path: Path, found: Window | np.ndarray) -> None:
    """Write a window's losses and meta-gradient, or whatever single array was found."""
    if isinstance(found, Window):
        grad = {f"{group}/{name}": g for group, phi in found.grad.items() for name, g in phi.items()}
        np.savez(path, found=found.losses, **grad)
    else:
        np.savez(path, found=found)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
