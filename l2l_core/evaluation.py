"""Loss curves of any rule on any number of problems that are the same for every rule."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from tqdm import tqdm

from l2l_core.rule import Rule
from l2l_core.tree import Params, map_tree, ravel, stack
from l2l_core.types import Batch, Optimizee, Task
from l2l_core.unroll import Carry, Unroll

PIECE = 20
"""Steps whose minibatches are drawn at once."""


def generator(*name: object) -> torch.Generator:
    """A stream of chance that belongs to a name: equal names, equal streams; others are independent."""
    digest = hashlib.sha256("/".join(map(str, name)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


Draw = Callable[[Task, int, torch.Generator], Optimizee]
"""How problem number k is made of a task and of the stream of chance that belongs to it."""


def sampled(task: Task, k: int, gen: torch.Generator) -> Optimizee:
    """A problem that is drawn, whatever its number."""
    return task.sample(gen)


def in_turn(task: Task, k: int, gen: torch.Generator) -> Optimizee:
    """The task's own number k: where problems are made of a finite set, a test that is as long shows all of it."""
    return task.problem(k, gen)


def evaluate(
    rule: Rule,
    task: Task,
    problems: int,
    steps: int,
    *,
    seed: object = 0,
    first: int = 0,
    phi: Params | None = None,
    horizon: int | None = None,
    coordinates: int = 2**15,
    draw: Draw = sampled,
    progress: str | None = None,
) -> Tensor:
    """Losses f(θ_t), t = 0 … steps, on fresh problems of `task`: `[problems, steps+1]`.

    Problem i = first, first + 1, … is `draw(task, i, gen)`: its start and its minibatches depend on (seed, i) alone, so
    that two rules given the same seed are compared on the same problems. `phi` replaces the rule's own weights;
    `horizon` is what rules with a schedule are told (default: `steps`). At most about `coordinates` coordinates run at
    once. `progress` labels a bar.
    """
    if problems < 1 or steps < 1:
        raise ValueError(f"there is nothing to run: problems = {problems}, steps = {steps}")
    phi = dict(rule.named_parameters()) if phi is None else phi
    which, size = range(first, first + problems), fitting(task, coordinates)
    curves, ends = [], [*range(PIECE, steps, PIECE), steps]
    with torch.no_grad(), tqdm(total=problems, desc=progress, disable=progress is None, leave=False) as bar:
        for start in range(0, problems, size):
            some = which[start : start + size]
            pieces = _run(Unroll(rule, horizon or steps), phi, _problems(task, some, seed, draw), ends)
            curves.append(torch.cat([losses for losses, _ in pieces], 1))
            bar.update(len(some))
    return torch.cat(curves)


@torch.no_grad()  # around a generator: its caller's gradients stay on between two snapshots
def snapshots(
    rule: Rule, task: Task, problems: int, marks: list[int], *, seed: object = 0, horizon: int | None = None
) -> Iterator[list[Params]]:
    """θ_t at the increasing steps `marks` of a test's runs, those of `evaluate` with problems `in_turn`, one by one.

    Each problem gives a list with an entry a mark. `horizon` is what rules with a schedule are told (default: the last
    mark). Raises ValueError unless marks increase from 0 or more.
    """
    if not marks or marks[0] < 0 or any(later <= mark for mark, later in pairwise(marks)):
        raise ValueError(f"steps to stop at must increase from 0 or more, got {marks}")
    unroll, phi = Unroll(rule, horizon or marks[-1]), dict(rule.named_parameters())
    ends = sorted({*marks, *range(PIECE, marks[-1], PIECE)})
    for i in range(problems):
        points = _run(unroll, phi, _problems(task, [i], seed, in_turn), ends)
        yield [map_tree(lambda p: p[0], carry.params) for _, carry in points if carry.step in marks]


def fitting(task: Task, coordinates: int) -> int:
    """How many problems have about so many coordinates in all; at least one, at most what the task wants `together`."""
    size = ravel(task.sample(generator("size")).params).numel()
    return int(min(max(1, coordinates // size), task.together))


def _problems(task: Task, which: Sequence[int], seed: object, draw: Draw) -> list[tuple[Optimizee, torch.Generator]]:
    gens = [generator("problem", seed, i) for i in which]
    return [(draw(task, i, gen), gen) for i, gen in zip(which, gens, strict=True)]


def _run(
    unroll: Unroll, phi: Params, drawn: list[tuple[Optimizee, torch.Generator]], ends: list[int]
) -> Iterator[tuple[Tensor, Carry]]:
    """The start, then piece after piece of a run: its losses `[b, ·]` and where it stands at each of the `ends`."""
    problems = [problem for problem, _ in drawn]

    def minibatches(t: int) -> Batch:
        return stack([problem.batches(t, gen) for problem, gen in drawn])

    first = map_tree(lambda d: d[:, 0], minibatches(1))
    carry = unroll.start(phi, problems[0].loss, stack([p.params for p in problems]), first)
    yield carry.loss.unsqueeze(1), carry
    for end in ends:
        if end > carry.step:
            losses, carry = unroll(phi, problems[0].loss, carry, minibatches(end - carry.step))
            yield losses[:, 1:], carry


def at(curves: Tensor, step: int, average: int = 1) -> Tensor:
    """The loss "at step t": the mean over t−average+1 … t, one number a problem. `[·, steps+1]` to `[·]`."""
    if not 0 <= step - average + 1 <= step < curves.shape[-1]:
        raise ValueError(f"no steps {step - average + 1} … {step} in curves of {curves.shape[-1] - 1} steps")
    return curves[..., step - average + 1 : step + 1].mean(-1)
