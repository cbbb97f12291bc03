"""Self-checks of the chapters on experiments."""

from collections.abc import Callable
from math import log10
from typing import Any

import torch
from torch import Tensor

from l2l_core.ablations import ARMS, BASE
from l2l_core.exercises.compare import Hint, compare
from l2l_core.exercises.foundations import gradients, network, walk
from l2l_core.features import LogSign
from l2l_core.recipes import Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM
from l2l_core.tasks.quadratic import Quadratic
from l2l_core.tree import map_tree
from l2l_core.types import Task


def rescaled(task: Task) -> Hint:
    """quadratic-4: quadratics whose *loss* is multiplied by a factor log-uniform in [0.1, 10]."""
    if not isinstance(task, Task):
        return f"a Task is expected, not {type(task).__name__}: pass `Rescaled()`, with the brackets."

    def spread(some: Task) -> Tensor:
        """Mean and standard deviation of log10 f(0) over problems."""
        gen, heights = torch.Generator().manual_seed(1), []
        for _ in range(2000):
            problem = some.sample(gen)
            batch = map_tree(lambda leaf: leaf[0], problem.batches(1, gen))
            zero = map_tree(torch.zeros_like, problem.params)
            heights.append(log10(float(problem.loss(zero, batch))))
        return torch.tensor([torch.tensor(heights).mean(), torch.tensor(heights).std()])

    plain, found = spread(Quadratic()), spread(task)
    factor = float((found[1] ** 2 - plain[1] ** 2).clamp_min(0).sqrt())  # log-uniform over r decades: r/√12
    shift, decades = float(found[0] - plain[0]), factor * 12**0.5
    if decades < 0.3:
        return "the factor hardly differs between problems: draw it in `sample`, anew for each."
    if abs(decades - 4) < 0.3:
        return "the loss spans four decades: a factor on the residuals is squared in the loss."
    if abs(decades - 1) < 0.15:
        return "the factor spans one decade; from 0.1 to 10 there are two."
    if abs(decades - 2) > 0.15:
        return f"the factor spans about {decades:.1f} decades instead of two; is its logarithm uniform?"
    return f"the middle of the factor is {10**shift:.2g} instead of 1." if abs(shift) > 0.1 else None


def odd(wrap: Callable[[Rule], Rule]) -> Hint:
    """mnist-4: half the difference of a rule's answers to ∇ and to −∇, each with a memory of its own."""
    torch.manual_seed(1)
    rule, grads = CoordinatewiseLSTM(4, 1, features=LogSign()).double(), gradients(6)
    plus, minus = walk(rule, grads), walk(rule, -grads)
    traps = {
        "the ½ is missing.": plus - minus,
        "that is the even half, the sum; the odd one is the difference.": (plus + minus) / 2,
        "that is the rule as it was.": plus,
    }
    found = walk(wrap(rule), grads)
    if (hint := compare(found[0], ((plus - minus) / 2)[0], {k: v[0] for k, v in traps.items()}, rtol=1e-6)) is not None:
        return hint
    if compare(found, (plus - minus) / 2, rtol=1e-6) is not None:
        return "the first step is right, the second is not: ∇ and −∇ need a memory each."
    return None


def first_layers(answer: Any) -> Hint:
    """transfer-2: the share of coordinates in the first layer of the three networks."""
    shapes = ((784, 40, 10), (784, 20, 20, 10), (784, 20, 10))
    layers = [network(*s) for s in shapes]
    traps = {
        "a share lies between 0 and 1, and these are percent.": [100 * n[0] / sum(n) for n in layers],
        "biases are coordinates, too.": [784 * s[1] / sum(n) for s, n in zip(shapes, layers, strict=True)],
        "those are counts; divide by the count of all coordinates.": [n[0] for n in layers],
    }
    return compare(answer, [n[0] / sum(n) for n in layers], traps, rtol=1e-4)


def cell_size(count: Callable[[int, int], int]) -> Hint:
    """grid-1: coordinates of d hidden layers of w units."""
    cells = [(d, w) for d in (1, 2, 3) for w in (5, 20, 50)]

    def sizes(deeper: int) -> list[int]:
        return [sum(network(784, *[w] * (d + deeper), 10)) for d, w in cells]

    traps = {
        "the biases are missing.": [n - d * w - 10 for n, (d, w) in zip(sizes(0), cells, strict=True)],
        "one layer too many: the first hidden layer reads pixels.": sizes(1),
        "right for one hidden layer, and each further one has w² + w more.": sizes(0)[:3] * 3,
    }
    return compare([count(d, w) for d, w in cells], sizes(0), traps, rtol=1e-9)


def curvature_floor(answer: Any) -> Hint:
    """failure-atlas-4: κ = E[x²]/δ² of x uniform in [−δ, δ], by the midpoint rule."""
    u = (torch.arange(100_000).double() + 0.5) / 50_000 - 1
    traps = {
        "that is the mean size; distances enter squared.": u.abs().mean(),
        "the root is too much: κ is a mean square.": u.square().mean().sqrt(),
        "the interval has the length 2δ, not δ.": u.square().mean() / 4,
        "that is the case where every distance is δ.": 1,
    }
    return compare(answer, u.square().mean(), traps, rtol=0.03)


def toy_zero(zero: Callable[[int], float]) -> Hint:
    """wandering-1: the φ at which the windows' pulls on θ_t = tφ with target 1 and T = 100 add up to zero."""
    lengths = (1, 5, 20, 50, 100)

    def settles(w: int, carried: bool = True) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            phi = (low + high) / 2
            steps = [(s * carried + j, j) for s in range(0, 100, w) for j in range(1, w + 1)]
            low, high = (phi, high) if sum(j * (t * phi - 1) for t, j in steps) < 0 else (low, phi)
        return low

    traps = {
        "that is the true minimum whatever w is: in a window, dθ/dφ counts from the window's start.": [settles(100)]
        * 5,
        "a window begins where the last one ended, not at zero.": [settles(w, carried=False) for w in lengths],
    }
    return compare([zero(w) for w in lengths], [settles(w) for w in lengths], traps, rtol=1e-4)


def credited(share: Callable[[int, int], float]) -> Hint:
    """what-matters-1: the share of pairs s < r ≤ T that lie in one window of w steps, counted."""
    cases = ((12, 1), (12, 3), (20, 5), (20, 20))

    def pairs(T: int, w: int) -> int:
        return sum(s // w == (r - 1) // w for r in range(1, T + 1) for s in range(r))

    traps = {
        "that is the number of pairs; the share is that of all T(T + 1)/2.": [pairs(*c) for c in cases],
        "roughly: a window of w steps has w(w + 1)/2 pairs, not w²/2.": [w / T for T, w in cases],
        "pairs of two different windows are counted, too.": [1] * 4,
        "r is a point and s a step: window k holds the points after its first one, up to (k + 1)w.": [
            sum(s // w == r // w for r in range(1, T + 1) for s in range(r)) / (T * (T + 1) / 2) for T, w in cases
        ],
    }
    return compare([share(T, w) for T, w in cases], [pairs(T, w) / pairs(T, T) for T, w in cases], traps, rtol=1e-6)


def own_arm(mine: Recipe) -> Hint:
    """what-matters-2: the first arm with 5 units a layer, and nothing else changed."""
    if not isinstance(mine, Recipe):
        return f"a recipe is expected, not {type(mine).__name__}."
    if mine.name in ARMS:
        return f"it is still called {mine.name!r}: it would be resumed from the runs of another arm."
    changed = {key for key, value in vars(mine).items() if value != getattr(BASE, key)} - {"name", "summary", "rule"}
    if changed:
        return f"more than one thing is changed: {', '.join(sorted(changed))}."
    rule = mine.rule()
    count = sum(w.numel() for w in rule.parameters())
    if count == sum(w.numel() for w in CoordinatewiseLSTM(5).parameters()):
        return "the preprocessing is gone: pass `features=LogSign()`."
    if (
        hint := compare(count, sum(w.numel() for w in CoordinatewiseLSTM(5, features=LogSign()).parameters()))
    ) is not None:
        return f"the rule has {count:,} weights, {hint}"
    if rule.scale != BASE.rule().scale:
        return f"the output scale is {rule.scale:g} instead of {BASE.rule().scale:g}."
    return None


def half_a_step(answer: Any) -> Hint:
    """what-it-learned-3: the β₂ at which Adam's answers to s/10 and s have the ratio one half, v being s² before."""

    def beta(wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            small, large = (x / (middle + (1 - middle) * x**2) ** 0.5 for x in (0.1, 1.0))
            low, high = (middle, high) if small / large > wanted else (low, middle)
        return low

    traps = {
        "the current gradient is in v, too: v = β₂s² + (1 − β₂)∇².": 1 / 25,
        "Adam divides by the root of v.": (0.2 - 0.01) / 0.99,
        "that is 1 − β₂.": 1 - beta(0.5),
    }
    return compare(answer, beta(0.5), traps, rtol=0.02)


def three_groups(assign: Callable[[str, torch.Size], str]) -> Hint:
    """cifar-3: kernels of convolutions, matrices, and vectors (biases and offsets), in any network."""
    kinds = {4: "kernels", 2: "matrices", 1: "vectors"}
    book = {"conv0.weight": (16, 3, 5, 5), "conv0.offset": (16,), "hidden.weight": (32, 256), "output.bias": (10,)}
    other = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "1.weight": (4,), "3.weight": (5, 144)}
    for names, place in ((book, "the chapter's network"), (other, "a network whose tensors have other names")):
        for name, shape in names.items():
            found, wanted = assign(name, torch.Size(shape)), kinds[len(shape)]
            if found not in kinds.values():
                return f"{name!r} is put into {found!r}; the groups are called {', '.join(kinds.values())}."
            if found != wanted:
                return f"in {place}, {name!r} of shape {list(shape)} belongs to {wanted}, not to {found}."
    return None


CHECKS: dict[str, Callable[[Any], Hint]] = {
    "quadratic-4": rescaled,
    "mnist-4": odd,
    "transfer-2": first_layers,
    "cifar-3": three_groups,
    "grid-1": cell_size,
    "failure-atlas-4": curvature_floor,
    "wandering-1": toy_zero,
    "what-matters-1": credited,
    "what-matters-2": own_arm,
    "what-it-learned-3": half_a_step,
}
"""By exercise."""
