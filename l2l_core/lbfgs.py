"""L-BFGS on pictures, by which Gatys et al. paint: `python -m l2l_core.lbfgs [TRIAL …]`.

It is no rule of the harness: one of its steps takes as many gradients as its line search wants, so that it is
counted in evaluations of the gradient, which is what its rivals' steps cost too.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from l2l_core.catalogue import trial
from l2l_core.evaluation import generator
from l2l_core.report import summary
from l2l_core.store import write_json
from l2l_core.tree import Params, map_tree
from l2l_core.trials import Trial


class Descent(NamedTuple):
    """The lowest loss `[t+1]` among the first 1 … t+1 points evaluated, and that point at some t."""

    losses: Tensor
    points: dict[int, Params]


def lbfgs(loss: Callable[[Params], Tensor], start: Params, evaluations: int, marks: Sequence[int] = ()) -> Descent:
    """PyTorch's L-BFGS with a strong-Wolfe line search and 100 pairs of memory, after 0 … `evaluations` gradients.

    A rule's f(θ_t) has taken the gradients at θ_0 … θ_{t−1}, and is the (t+1)-th value. Likewise here: entry t is the
    lowest of t+1 values, those of a line search included, which is in its favour. Where it can go no further the last
    entry is repeated. `points` holds where entry t was reached, for t in `marks`. Raises ValueError for
    `evaluations` < 1 or a mark beyond.
    """
    if evaluations < 1 or not all(0 <= mark <= evaluations for mark in marks):
        raise ValueError(f"evaluations are 1 or more and marks among them, got {evaluations} and {[*marks]}")
    theta = {name: p.detach().clone().requires_grad_() for name, p in start.items()}
    values: list[float] = []
    points: dict[int, Params] = {}
    best = map_tree(torch.clone, start)

    def closure() -> Tensor:
        nonlocal best
        optimizer.zero_grad()
        value = loss(theta)
        value.backward()
        if len(values) <= evaluations:
            if float(value.detach()) < min(values, default=torch.inf):
                best = {name: p.detach().clone() for name, p in theta.items()}
            values.append(float(value.detach()))
            if len(values) - 1 in marks:
                points[len(values) - 1] = best
        return value

    settings = {"max_iter": evaluations, "max_eval": evaluations + 1, "tolerance_grad": 0, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([*theta.values()], line_search_fn="strong_wolfe", **settings)
    optimizer.step(closure)
    values += values[-1:] * (evaluations + 1 - len(values))
    lowest = torch.tensor(values, dtype=torch.float64).cummin(0).values
    return Descent(lowest, {mark: points.get(mark, best) for mark in marks})


def measure(chosen: Trial, scale: str = "paper") -> dict[str, Any]:
    """Its curves on the test problems of a trial, the same as in the trial's report, and seconds an evaluation.

    Raises ValueError for a trial whose problems have minibatches: L-BFGS wants one loss.
    """
    chosen, problems = chosen.at_scale(scale), chosen.budget(scale).test_problems
    task, curves, begun = chosen.task("test", "cpu"), [], process_time()
    for k in range(problems):
        gen = generator("problem", f"{chosen.family}/test", k)
        problem = task.sample(gen)
        batches = problem.batches(2, gen)
        if not batches[0].equal(batches[1]):
            raise ValueError(f"the problems of {chosen.name!r} have minibatches, which L-BFGS does not take")
        curves.append(
            lbfgs(lambda theta, f=problem.loss, d=batches[0]: f(theta, d), problem.params, chosen.test_steps).losses
        )
    seconds = (process_time() - begun) / problems / (chosen.test_steps + 1)
    found = summary(chosen, chosen.unit * torch.stack(curves))
    return {
        "recipe": chosen.name,
        "problems": problems,
        "steps": chosen.kept,
        "seconds": float(f"{seconds:.3g}"),
        **found,
    }


def main(names: list[str]) -> None:
    """Run it on the trials named and write `results/TRIAL/lbfgs.json`."""
    torch.set_num_threads(1)
    for name in names or ["neural-art", "neural-art-new-style"]:
        path = Path("results") / name / "lbfgs.json"
        write_json(path, {"command": f"python -m l2l_core.lbfgs {name}", **measure(trial(name))})
        print(path, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
