"""Self-checks: every right answer is taken, and every wrong one gets the hint that fits it."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log

import pytest
import torch

from l2l_core import LogSign, Optimizee, Rule, Task, check
from l2l_core.ablations import BASE
from l2l_core.exercises import CHECKS
from l2l_core.exercises.compare import compare
from l2l_core.rules import NAG, SGD, CoordinatewiseLSTM, Momentum
from l2l_core.tasks import Quadratic
from l2l_core.tasks.cifar import kernels_apart
from l2l_core.tree import map_tree

PLACED = torch.tensor([1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (-PLACED, "sign"),
        (PLACED.flip(0), "reverse"),
        (torch.tensor([0.5, 1.0, 2.0, 4.0]), "off by one"),
        (torch.tensor([2.0, 4.0, 8.0, 16.0]), "off by one"),
        (3 * PLACED, "too large by a factor of 3"),
        (PLACED / 1000, "too small by a factor of 1,000"),
        (1.7 * PLACED, "same factor, 1.7"),
        (PLACED[:3], "3 entries instead of 4"),
        (PLACED.reshape(2, 2), r"the shape is \[2, 2\], and \[4\]"),
        (PLACED.log() / 0, "not finite"),
        (torch.tensor([1.0, 2.0, 5.0, 8.0]), "1 of 4 entries are off, the first of them at position 2"),
        ("four", "not str"),
    ],
)
def test_what_is_off_is_said(answer, hint):
    assert re.search(hint, compare(answer, PLACED))


def test_rounding_is_forgiven():
    assert compare(PLACED + torch.tensor([0.0, 0.0, 0.0, 1e-3]), PLACED) is None
    assert compare(PLACED.tolist(), PLACED) is None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [(41, "off by one"), (43, "off by one"), (84, "large by a factor of 2"), (50, "too large."), (-42, "sign")],
)
def test_what_is_off_in_a_single_number_is_said(answer, hint):
    assert hint in compare(answer, 42, rtol=1e-9)
    assert compare(torch.tensor([42]), 42) is None


def test_a_foreseen_mistake_has_its_own_words():
    assert compare(9, 3, {"that is the square.": 9}) == "that is the square."
    assert "factor of 3" in compare(9, 3)


def nesterov(grad, v, a):
    v = 0.9 * v + grad
    return -a * (grad + 0.9 * v), v


def forgetful_nesterov(grad, v, a):
    return -a * grad, v


def heavy_ball(grad, v, a):
    v = 0.9 * v + grad
    return -a * v, v


class Valley(Task):
    """Rosenbrock's function with what may go wrong left open."""

    def __init__(self, steep=100, low=-1.0, axes=1):
        self.steep, self.low, self.axes = steep, low, axes

    def sample(self, gen):
        start = {"xy": self.low + (1 - self.low) * torch.rand(2, generator=gen)}
        return Optimizee(start, self.loss, lambda steps, gen: torch.zeros(*[steps] * self.axes, 0))

    def loss(self, params, batch):
        x, y = params["xy"]
        return (1 - x) ** 2 + self.steep * (y - x**2) ** 2


def gated(lr, mu, *, ahead):
    """An LSTM of two units, one that forgets at once and one that keeps, read out as a classic."""
    rule = CoordinatewiseLSTM(hidden=2, depth=1).double()
    with torch.no_grad():
        for w in rule.parameters():
            w.zero_()
        cell = rule.cells[0]
        cell.bias[2], cell.bias[3] = -60.0, log(mu / (1 - mu))
        cell.weight_ih[4:6] = 1e-4
        rule.readout.weight[0] = torch.tensor([1.0, mu] if ahead else [0.0, 1.0]) * (-4 * lr / 1e-4)
    return rule


def invert(features):
    first, second = features.unbind(-1)
    return torch.where(first > -1, second.sign() * (10 * first).exp(), second * exp(-10))


@dataclass(frozen=True)
class Rescaled(Quadratic):
    """Quadratics with residuals multiplied by 10 to the power of `decades` times a number in ±½."""

    decades: float = 1.0
    up: float = 0.0

    def sample(self, gen):
        problem = super().sample(gen)
        factor = 10 ** (self.decades * (torch.rand((), generator=gen) - 0.5) + self.up)

        def scaled(steps, gen):
            return map_tree(lambda leaf: factor * leaf, problem.batches(steps, gen))

        return problem._replace(batches=scaled)


class Odd(Rule):
    """`factor` times the difference of a rule's answers to ∇ and `sign`·∇."""

    def __init__(self, rule, factor=0.5, sign=-1.0, shared=False):
        super().__init__()
        self.rule, self.factor, self.sign, self.shared = rule, factor, sign, shared

    def init(self, params):
        return self.rule.init(params), self.rule.init(params)

    def update(self, signal, state, params):
        u, a = self.rule.update(signal, state[0], params)
        minus = map_tree(torch.neg, signal.grad)
        v, b = self.rule.update(signal._replace(grad=minus), state[0] if self.shared else state[1], params)
        return map_tree(lambda p, q: self.factor * (p + self.sign * q), u, v), (a, b)


def size(d, w):
    return sum((a + 1) * b for a, b in pairwise([784, *[w] * d, 10]))


def by_name(name, shape):
    """Right in the chapter's network alone."""
    if name.endswith(("bias", "offset")):
        return "vectors"
    return "kernels" if name.startswith("conv") or len(shape) == 4 else "matrices"


def zero(w):
    starts = range(0, 100, w)
    j = torch.arange(1, w + 1).double()
    return len(starts) * float(j.sum()) / sum(float((j * (s + j)).sum()) for s in starts)


def arm(units=5, name="mine", **changes):
    rule = changes.pop("rule", lambda: CoordinatewiseLSTM(units, features=LogSign(), scale=0.1))
    return replace(BASE, name=name, summary="mine", rule=rule, **changes)


def first_order(grads, points, start, lr):
    return (grads * (points - start)).sum() / lr


# by exercise: right answers, and wrong ones with a word of the hint they must get
CASES = {
    "why-1": (
        [nesterov],
        [
            (heavy_ball, "momentum"),
            (forgetful_nesterov, "descent"),
            (lambda g, v, a: (-nesterov(g, v, a)[0], nesterov(g, v, a)[1]), "sign"),
        ],
    ),
    "why-2": (
        [2 / 11, torch.tensor(0.1815)],
        [(0.2, "edge"), (0.1, "flat"), (-2 / 11, "sign"), (4 / 11, "factor of 2")],
    ),
    "optimizee-1": (
        [[16_330, 31_810]],
        [([16_280, 31_760], "biases"), ([31_810, 16_330], "reverse"), ([15_910, 15_910], "changes it")],
    ),
    "optimizee-2": (
        [Valley()],
        [
            (Valley, "brackets"),
            (Valley(steep=1), "100"),
            (Valley(low=0.0), "instead of"),
            (Valley(axes=0), "axis of 3"),
        ],
    ),
    "unrolling-1": (
        [first_order],
        [
            (lambda *seen: -first_order(*seen), "sign"),
            (lambda g, p, s, lr: first_order(g, p, s, lr) * lr, "1/φ"),
            (lambda g, p, s, lr: first_order(g[1:], p[:-1], s, lr), "off by one"),
        ],
    ),
    "lstm-1": ([21_153], [(21_153 + 3 * 128, "two biases"), (21_120, "read-out"), (21_152, "read-out has a bias")]),
    "lstm-2": (
        [SGD(0.02)],
        [(Momentum(0.02, 0.5), "remembers"), (SGD(0.04), "factor of 2"), (SGD, "raised")],
    ),
    "lstm-3": (
        [gated(0.01, 0.9, ahead=True), NAG(0.01)],
        [(gated(0.01, 0.9, ahead=False), "momentum"), (NAG(0.1), "factor of 10"), (SGD(0.01), "descent")],
    ),
    "preprocessing-1": (
        [invert],
        [
            (lambda f: (10 * f[..., 0]).exp() * f[..., 1].sign(), "below"),
            (lambda f: invert(f).abs(), "sign is lost"),
            (lambda f: invert(f / torch.tensor([2.0, 1.0])), "above"),
        ],
    ),
    "preprocessing-4": (
        [lambda g: (g * exp(10)).asinh() / 10],
        [(lambda g: (g * exp(10)).asinh(), "1/p"), (lambda g: g.asinh() / 10, "e^p"), (lambda g: -g, "off")],
    ),
    "time-and-memory-1": (
        [4 * 15_910 * 101 * 82],
        [(4 * 15_910 * 100 * 82, "101 points"), (527, "megabytes"), (15_910 * 101 * 82, "four bytes")],
    ),
    "time-and-memory-4": ([10, 10.0], [(20, "number of states"), (11, "off by one"), (50, "too large")]),
    "quadratic-4": (
        [Rescaled()],
        [
            (Rescaled, "brackets"),
            (Rescaled(decades=2.0), "squared"),
            (Rescaled(decades=0.0), "anew"),
            (Rescaled(decades=0.5), "one decade"),
            (Rescaled(up=0.5), "middle"),
        ],
    ),
    "mnist-4": (
        [Odd],
        [
            (lambda rule: Odd(rule, factor=1.0), "½"),
            (lambda rule: Odd(rule, sign=1.0), "even"),
            (lambda rule: Odd(rule, shared=True), "memory each"),
            (lambda rule: rule, "as it was"),
        ],
    ),
    "transfer-2": (
        [[31_400 / 31_810, 15_700 / 16_330, 15_700 / 15_910]],
        [([98.7111, 96.1421, 98.6801], "percent"), ([31_400, 15_700, 15_700], "counts"), ([0.987, 0.961], "3")],
    ),
    "cifar-3": (
        [lambda name, shape: {4: "kernels", 2: "matrices", 1: "vectors"}[len(shape)]],
        [
            (kernels_apart, "called kernels, matrices, vectors"),
            (lambda name, shape: "kernels" if len(shape) == 4 else "matrices", "'conv0.offset' of shape"),
            (by_name, "other names, '1.weight' of shape"),
        ],
    ),
    "grid-1": (
        [size],
        [
            (lambda d, w: size(d + 1, w), "one layer too many"),
            (lambda d, w: size(d, w) - d * w - 10, "biases"),
            (lambda d, w: size(1, w), "further"),
            (lambda d: size(d, 20), "TypeError"),
        ],
    ),
    "failure-atlas-4": ([1 / 3, 0.33], [(0.5, "squared"), (0.577, "root"), (1 / 12, "2δ"), (1, "every distance")]),
    "wandering-1": (
        [zero],
        [(lambda w: zero(100), "window's start"), (lambda w: 2 * zero(w), "factor of 2"), (lambda w: -zero(w), "sign")],
    ),
    "what-matters-1": (
        [lambda T, w: (w + 1) / (T + 1)],
        [
            (lambda T, w: w / T, "roughly"),
            (lambda T, w: T * (w + 1) / 2, "number of pairs"),
            (lambda T, w: 1, "different"),
        ],
    ),
    "what-matters-2": (
        [arm()],
        [
            (arm(name="ablation"), "still called"),
            (arm(units=10), "weights"),
            (arm(window=5), "more than one"),
            (arm(rule=lambda: CoordinatewiseLSTM(5, scale=0.1)), "preprocessing"),
            (arm(rule=lambda: CoordinatewiseLSTM(5, features=LogSign())), "scale"),
        ],
    ),
    "what-it-learned-3": ([0.0303], [(0.04, "in v, too"), (0.192, "root"), (0.97, "1 − β₂")]),
}


class Made(Rule):
    """A rule around a rule whose update is any function of a number, the inner update, the gradient and θ."""

    def __init__(self, rule, number, how):
        super().__init__()
        self.rule, self.number, self.how = rule, number, how

    def init(self, params):
        return self.rule.init(params)

    def update(self, signal, state, params):
        step, state = self.rule.update(signal, state, params)
        return self.how(self.number, step, signal.grad, params), state


def made(how):
    return lambda rule, number: Made(rule, number, how)


def each(f):
    return lambda number, step, grad, theta: {k: f(number, step[k], grad[k], theta[k]) for k in step}


def shortened(most, step, grad, theta):
    length = sum(float(g.square().sum()) for g in step.values()) ** 0.5
    return {k: min(1.0, most / length) * g for k, g in step.items()}


def lengthened(most, step, grad, theta):
    length = sum(float(g.square().sum()) for g in step.values()) ** 0.5
    return {k: most / length * g for k, g in step.items()}


CASES |= {
    "take-home-2": (
        [made(each(lambda share, g, grad, p: g - share * p))],
        [
            (lambda rule, share: rule, "nothing decays"),
            (made(each(lambda share, g, grad, p: g + share * p)), "wrong sign"),
            (made(each(lambda share, g, grad, p: g - 0.5 * share * p)), "units"),
            (made(each(lambda share, g, grad, p: (1 - share) * g - share * p)), "update decays"),
            (lambda rule: rule, "TypeError"),
        ],
    ),
    "take-home-3": (
        [made(shortened)],
        [
            (lambda rule, most: rule, "nothing is bounded"),
            (made(each(lambda most, g, grad, p: most * g / g.norm())), "each tensor"),
            (made(each(lambda most, g, grad, p: g.clamp(-most, most))), "each coordinate"),
            (made(lambda most, g, grad, p: shortened(most / 2, g, grad, p)), "before the rule"),
            (
                made(lambda most, g, grad, p: {k: 1e4 * v for k, v in shortened(most / 1e4, g, grad, p).items()}),
                "short",
            ),
        ],
    ),
}


def pulled(factor):
    """4/(hw) (FFᵀ/(hw) − A) F, times a factor."""
    return lambda features, target: (
        factor * 4 / features.shape[1] * (features @ features.T / features.shape[1] - target) @ features
    )


CASES |= {
    "neural-art-1": (
        [[80, 2, 200], torch.tensor([80, 2, 200])],
        [([40, 2, 200], "cell state"), ([20, 2, 200], "two layers"), ([80, 1, 200], "mean"), ([80, 2, 100], "pair")],
    ),
    "neural-art-2": (
        [1 / 28, 12 / 336],
        [(12, "sum"), (6 / 336, "four neighbours"), (1 / 16, "neighbours are counted"), (1 / 84, "three colours")],
    ),
    "neural-art-4": (
        [pulled(1)],
        [
            (pulled(0.5), "twice"),
            (pulled(0.25), "own factor"),
            (pulled(6), "number of places"),
            (pulled(-1), "sign"),
            (lambda features, target: 2 * (features @ features.T / 6 - target), "with respect to G"),
            (lambda features: features, "TypeError"),
        ],
    ),
}


def test_every_check_is_tried():
    assert set(CASES) == set(CHECKS)
    assert min(len(wrong) for _, wrong in CASES.values()) >= 2


@pytest.mark.parametrize("exercise", CASES)
def test_a_right_answer_is_right(exercise, capsys):
    for answer in CASES[exercise][0]:
        assert check(exercise, answer), capsys.readouterr().out
        assert capsys.readouterr().out == f"{exercise}: right.\n"


@pytest.mark.parametrize(
    ("exercise", "answer", "word"),
    [(exercise, *wrong) for exercise, (_, wrongs) in CASES.items() for wrong in wrongs],
)
def test_a_wrong_answer_gets_the_hint_that_fits(exercise, answer, word, capsys):
    verdict = check(exercise, answer)
    assert not verdict
    assert capsys.readouterr().out == f"{verdict.text}\n"
    assert verdict.text.startswith(f"{exercise}: not yet: ")
    assert word in verdict.text, verdict.text


def test_an_unknown_exercise_is_an_error():
    with pytest.raises(ValueError, match="lstm-1"):
        check("lstm-9", 1)
