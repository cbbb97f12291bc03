"""What a meta-training will cost, from a few seconds of it."""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from l2l_core import kernel
from l2l_core.evaluation import generator
from l2l_core.recipes import Recipe, fresh_rule
from l2l_core.tree import leaves

try:
    import resource
except ImportError:  # Windows has none
    resource = None


def peak_mb() -> int | None:
    """Most memory that this process has held, in MiB; None on systems that do not tell (Windows)."""
    if resource is None:
        return None
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


class Cost(NamedTuple):
    """Seconds of one window and of one validation, and how many of each a meta-seed takes.

    `window_bytes`: what a window keeps for its way back: the rule's states, gradients and parameters of every point.
    """

    window: float
    validation: float
    windows: int
    validations: int
    window_bytes: int

    @property
    def meta_seed(self) -> float:
        """Seconds of one meta-seed, all its restarts."""
        return self.windows * self.window + self.validations * self.validation


def cost(
    recipe: Recipe,
    scale: str,
    *,
    device: str = "cpu",
    seconds: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Cost:
    """Time windows of `recipe` for about `seconds`, and one validation, as paper-scale training would run them.

    The first window is not counted: a kernel may be built in it, and memory is touched for the first time.
    Raises ValueError for an unknown scale.
    """
    budget, rule = recipe.budget(scale), fresh_rule(recipe, 0).to(device)
    phi = dict(rule.named_parameters())
    estimator = recipe.estimator(rule, scale, device)

    def now() -> float:
        if device != "cpu":
            torch.cuda.synchronize(device)
        return clock()

    with kernel.enabled(scale != "smoke"):
        begun = estimator.begin(phi, estimator.init(generator("cost")))
        _, state = estimator.step(phi, begun)
        start, done = now(), 0
        while (spent := now() - start) < seconds or not done:
            _, state = estimator.step(phi, state)
            done += 1
        score, start = recipe.validation(rule, scale, device), now()
        score(phi)
        validation = now() - start
    return Cost(
        window=spent / done,
        validation=validation,
        windows=budget.restarts * budget.meta_steps,
        validations=budget.restarts * (budget.meta_steps // budget.validate_every + 1),
        window_bytes=(recipe.window + 1) * sum(leaf.nbytes for leaf in leaves(begun.carry[:4])),
    )
