"""Self-checks of the chapters on foundations."""

from collections.abc import Callable
from itertools import pairwise
from math import exp
from typing import Any

import torch
from torch import Tensor, nn

from l2l_core.exercises.compare import Hint, compare
from l2l_core.features import LogSign, log_sign
from l2l_core.rule import Rule
from l2l_core.rules import NAG, SGD, CoordinatewiseLSTM, Momentum
from l2l_core.tree import leaves, map_tree
from l2l_core.types import Signal, Task


def gradients(steps: int, n: int = 5) -> Tensor:
    """Gradients to try a rule on, `[t, n]`, the same at every call."""
    gen = torch.Generator().manual_seed(1)
    return torch.randn(steps, n, generator=gen, dtype=torch.float64)


def walk(rule: Rule, grads: Tensor) -> Tensor:
    """The steps that `rule` answers to gradients `[t, n]` with, `[t, n]`."""
    params = {"theta": torch.zeros_like(grads[0])}
    state, steps = rule.init(params), []
    with torch.no_grad():
        for t, grad in enumerate(grads):
            step, state = rule.update(Signal({"theta": grad}, None, t, len(grads)), state, params)
            steps.append(step["theta"])
    return torch.stack(steps)


def nesterov_by_hand(rule: Callable[..., tuple[Tensor, Any]]) -> Hint:
    """why-1: a function (∇, v, α) to (step, v)."""
    grads, v, steps = gradients(8), 0.0, []
    for grad in grads:
        step, v = rule(grad, v, 0.1)
        steps.append(step)
    traps = {
        "this is momentum. Nesterov's step looks ahead: ∇ + μv with the new v.": walk(Momentum(0.1), grads),
        "this is gradient descent: v is not carried on, or not used.": walk(SGD(0.1), grads),
    }
    return compare(steps, walk(NAG(0.1), grads), traps)


def asymptotic_rate(answer: Any) -> Hint:
    """why-2: the α with the least max |1 − αλ_i| for λ = 1, 10, among two hundred thousand."""
    curvature, rates = torch.tensor([1.0, 10.0]).double(), torch.linspace(0, 0.5, 200_001).double()
    worst = (1 - rates[:, None] * curvature).abs().max(1).values
    traps = {
        "at the edge 2/λ_max the steep coordinate does not shrink at all.": 2 / curvature[1],
        "1/λ_max is kind to the steep coordinate only; how fast does the flat one shrink?": 1 / curvature[1],
        "only the larger curvature is in it; the flat coordinate counts as well.": 1 / (curvature[1] - curvature[0]),
    }
    return compare(answer, rates[worst.argmin()], traps, rtol=5e-3)


def network(*widths: int) -> list[int]:
    """How many weights and biases a fully connected network has, layer by layer, counted on torch's own."""
    layers = [nn.Linear(a, b, device="meta") for a, b in pairwise(widths)]
    return [sum(w.numel() for w in layer.parameters()) for layer in layers]


def coordinates(answer: Any) -> Hint:
    """optimizee-1: the coordinates of 784–20–20–10 and of 784–40–10."""
    shapes = ((784, 20, 20, 10), (784, 40, 10))
    no_biases = [sum(network(*s)) - sum(s[1:]) for s in shapes]
    traps = {
        "the biases are missing.": no_biases,
        "that is the network with one layer of 20; the exercise changes it.": [sum(network(784, 20, 10))] * 2,
    }
    return compare(answer, [sum(network(*s)) for s in shapes], traps, rtol=1e-9)


def rosenbrock(task: Task) -> Hint:
    """optimizee-2: a task of Rosenbrock's valley, with starts in the square."""
    if not isinstance(task, Task):
        return f"a Task is expected, not {type(task).__name__}: pass `Rosenbrock()`, with the brackets."
    gen = torch.Generator().manual_seed(1)
    problems = [task.sample(gen) for _ in range(300)]
    starts = torch.stack([torch.cat([p.flatten() for p in leaves(q.params)]) for q in problems])
    if starts.shape[1] != 2:
        return f"θ has two coordinates, not {starts.shape[1]}."
    if any(len(leaf) != 3 for leaf in leaves(problems[0].batches(3, gen))):
        return "`batches(3, gen)` must lead with an axis of 3 steps."
    x, y = starts.double().T
    found = torch.stack([q.loss(q.params, map_tree(lambda leaf: leaf[0], q.batches(1, gen))) for q in problems])
    traps = {
        "x and y are exchanged.": (1 - y) ** 2 + 100 * (x - y**2) ** 2,
        "the valley's steepness, 100, is missing.": (1 - x) ** 2 + (y - x**2) ** 2,
    }
    if hint := compare(found, (1 - x) ** 2 + 100 * (y - x**2) ** 2, traps):
        return hint
    if starts.std(0).min() < 1e-3:
        return "every start is the same."
    if not (-1 <= starts.min() < -0.9 and 0.9 < starts.max() <= 1):
        return f"starts lie between {starts.min():.1f} and {starts.max():.1f} instead of −1 and 1."
    return None


def first_order_rate(formula: Callable[..., Any]) -> Hint:
    """unrolling-1: (∇_1 … ∇_T, θ_1 … θ_T, θ_0, φ) to the first-order meta-gradient of gradient descent's rate φ."""
    curvature, start = torch.tensor([0.3, 1.0, 2.0]).double(), torch.tensor([1.0, -2.0, 0.5]).double()
    lr = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    theta, points = start, []
    for _ in range(7):
        theta = theta - lr * (curvature * theta).detach()  # the gradient is held constant: first order
        points.append(theta)
    truth = torch.autograd.grad(sum(0.5 * (curvature * p**2).sum() for p in points), lr)[0]
    seen = torch.stack(points).detach()
    grads, rate = curvature * seen, float(lr.detach())
    before = torch.cat([start[None], seen[:-1]])
    one_step, one_late = ((grads * strides).sum() / rate for strides in (seen - before, before - start))
    traps = {
        "1/φ is missing: θ_t − θ_0 is −φ times the sum of gradients.": truth * rate,
        "the step is counted from θ_{t−1}; the credit of a gradient goes back to θ_0.": one_step,
        "off by one: ∇_t belongs to θ_t, not to the point before it.": one_late,
        "the mean over steps is taken; the meta-loss is the sum.": truth / 7,
    }
    return compare(formula(grads, seen, start, rate), truth, traps, rtol=1e-6)


def lstm_weights(answer: Any) -> Hint:
    """lstm-1: the weights of three layers with 32 units and two features."""
    truth = sum(w.numel() for w in CoordinatewiseLSTM(32, 3, features=LogSign()).parameters())
    twice = sum(w.numel() for w in nn.LSTM(2, 32, 3, device="meta").parameters()) + 33
    traps = {
        "PyTorch's own LSTM has two biases a gate, and one of them is superfluous.": twice,
        "the read-out is missing: h weights and a bias.": truth - 33,
        "the read-out has a bias, too.": truth - 1,
        "that is with one feature.": sum(w.numel() for w in CoordinatewiseLSTM(32, 3).parameters()),
        "the biases of the gates are missing.": truth - 3 * 4 * 32,
    }
    return compare(answer, truth, traps, rtol=1e-9)


def plain_lstm(rule: Rule) -> Hint:
    """lstm-2: an LSTM that is gradient descent with the rate 0.02."""
    traps = {"it still remembers: this is momentum.": walk(Momentum(0.02, 0.5), gradients(8))}
    return compare(walk(rule, gradients(8)), walk(SGD(0.02), gradients(8)), traps)


def nesterov_lstm(rule: Rule) -> Hint:
    """lstm-3: an LSTM that is Nesterov's rule with α = 0.01, μ = 0.9."""
    grads = gradients(8)
    traps = {
        "this is momentum; the unit that forgets at once, the gradient, is missing.": walk(Momentum(0.01), grads),
        "this is gradient descent; nothing is kept.": walk(SGD(0.01), grads),
    }
    return compare(walk(rule, grads), walk(NAG(0.01), grads), traps)


def inverse(invert: Callable[[Tensor], Tensor]) -> Hint:
    """preprocessing-1: from the two features of `log_sign` back to the gradient."""
    size = torch.logspace(-12, 4, 65, dtype=torch.float64)
    for name, part in (("above", size[size > exp(-10)]), ("below", size[size < exp(-10)])):
        grads = torch.cat([part, -part])
        traps = {"the size is right, and the sign is lost.": grads.abs()}
        if hint := compare(invert(log_sign(grads)), grads, traps, rtol=1e-6):
            return f"{name} the seam e^(−p), p = 10: {hint}"
    return compare(invert(log_sign(torch.zeros(1).double())), [0.0])


def asinh(feature: Callable[[Tensor], Tensor]) -> Hint:
    """preprocessing-4: asinh(e^p ∇)/p with p = 10."""
    size = torch.logspace(-12, 3, 61, dtype=torch.float64)
    grads = torch.cat([-size, size])
    blown = grads.sign() * torch.log1p(size.repeat(2) * exp(10) + ((size.repeat(2) * exp(10)) ** 2 + 1).sqrt() - 1)
    traps = {
        "1/p is missing.": blown,
        "the gradient is not multiplied by e^p.": grads.asinh() / 10,
        "the feature should be odd.": blown.abs() / 10,
    }
    return compare(feature(grads), blown / 10, traps, rtol=1e-6)


def window_bytes(answer: Any) -> Hint:
    """time-and-memory-1: bytes of states, parameters and gradients of a window of 100 steps on the MNIST network."""
    n = sum(network(784, 20, 10))
    with torch.device("meta"):
        state = CoordinatewiseLSTM(features=LogSign()).init({"theta": torch.empty(n)})
    point = sum(leaf.nbytes for leaf in leaves(state)) + 2 * 4 * n
    traps = {
        "off by one: a window of 100 steps has 101 points.": 100 * point,
        "that is megabytes; say it in bytes.": 101 * point / 1e6,
        "that counts numbers; each takes four bytes.": 101 * point / 4,
        "parameters and gradients are missing.": 101 * (point - 8 * n),
        "each coordinate keeps an h and a c in each of two layers.": 101 * (point / 2 + 4 * n),
    }
    return compare(answer, 101 * point, traps)


def checkpoints(answer: Any) -> Hint:
    """time-and-memory-4: the k with the fewest states in memory, w = 100."""
    kept = {k: -(-100 // k) + k for k in range(1, 101)}
    traps = {
        "that is the number of states; which k gives it?": min(kept.values()),
        "that keeps every state.": 1,
        "that keeps none on the way: the one stretch is walked again with all its states.": 100,
    }
    return compare(answer, min(kept, key=kept.get), traps, rtol=1e-9)


CHECKS: dict[str, Callable[[Any], Hint]] = {
    "why-1": nesterov_by_hand,
    "why-2": asymptotic_rate,
    "optimizee-1": coordinates,
    "optimizee-2": rosenbrock,
    "unrolling-1": first_order_rate,
    "lstm-1": lstm_weights,
    "lstm-2": plain_lstm,
    "lstm-3": nesterov_lstm,
    "preprocessing-1": inverse,
    "preprocessing-4": asinh,
    "time-and-memory-1": window_bytes,
    "time-and-memory-4": checkpoints,
}
"""By exercise."""
