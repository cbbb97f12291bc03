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
    """The lowest loss `[t+1]` among the first 1 … t+1 points evaluated, that point at some t, and how many there were.

    `evaluated` may be less than asked for, where it could go no further, or more: a line search ends when it will.
    """

    losses: Tensor
    points: dict[int, Params]
    evaluated: int


def lbfgs(loss: Callable[[Params], Tensor], start: Params, evaluations: int, marks: Sequence[int] = ()) -> Descent:
    """PyTorch's L-BFGS with a strong-Wolfe line search and 100 pairs of memory, after 0 … `evaluations` gradients.

    A rule's f(θ_t) has taken the gradients at θ_0 … θ_{t−1}, and is the (t+1)-th value. Likewise here: entry t is the
    lowest of t+1 values, those of a line search included, which is in its favour; one that is not finite is never the
    lowest. Where it can go no further the last entry is repeated. `points` holds where entry t was reached, for t in
    `marks`. Raises ValueError for `evaluations` < 1 or a mark beyond, and FloatingPointError if the start has no
    finite loss.
    """
    if evaluations < 1 or not all(0 <= mark <= evaluations for mark in marks):
        raise ValueError(f"evaluations are 1 or more and marks among them, got {evaluations} and {[*marks]}")
    theta = {name: p.detach().clone().requires_grad_() for name, p in start.items()}
    values: list[float] = []  # the lowest so far, entry by entry
    points: dict[int, Params] = {}
    best, evaluated = map_tree(torch.clone, start), 0

    def closure() -> Tensor:
        nonlocal best, evaluated
        optimizer.zero_grad()
        value = loss(theta)
        if not evaluated and not value.isfinite():
            raise FloatingPointError(f"the loss is {float(value.detach())} where L-BFGS begins")
        value.backward()
        evaluated += 1
        if len(values) <= evaluations:
            lowest = values[-1] if values else torch.inf
            if value.isfinite() and float(value.detach()) < lowest:
                best, lowest = {name: p.detach().clone() for name, p in theta.items()}, float(value.detach())
            if len(values) in marks:
                points[len(values)] = best
            values.append(lowest)
        return value

    settings = {"max_iter": evaluations, "max_eval": evaluations + 1, "tolerance_grad": 0, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([*theta.values()], line_search_fn="strong_wolfe", **settings)
    optimizer.step(closure)
    losses = torch.tensor(values + values[-1:] * (evaluations + 1 - len(values)), dtype=torch.float64)
    return Descent(losses, {mark: points.get(mark, best) for mark in marks}, evaluated)


def measure(chosen: Trial, scale: str = "paper") -> dict[str, Any]:
    """Its curves on the test problems of a trial, the same as in the trial's report, and processor seconds a gradient.

    Raises ValueError for a trial whose problems have minibatches: L-BFGS wants one loss.
    """
    chosen, problems = chosen.at_scale(scale), chosen.budget(scale).test_problems
    task, curves, spent, evaluated = chosen.task("test", "cpu"), [], 0.0, 0
    for k in range(problems):
        gen = generator("problem", f"{chosen.family}/test", k)
        problem = task.problem(k, gen)
        batches = problem.batches(2, gen)
        if not batches[0].equal(batches[1]):
            raise ValueError(f"the problems of {chosen.name!r} have minibatches, which L-BFGS does not take")
        begun = process_time()
        found = lbfgs(lambda theta, f=problem.loss, d=batches[0]: f(theta, d), problem.params, chosen.test_steps)
        spent += process_time() - begun
        evaluated += found.evaluated
        curves.append(found.losses)
    return {
        "recipe": chosen.name,
        "problems": problems,
        "steps": chosen.kept,
        "seconds": float(f"{spent / evaluated:.3g}"),
        **summary(chosen, chosen.unit * torch.stack(curves)),
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
