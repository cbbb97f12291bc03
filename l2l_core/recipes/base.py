"""A named experiment: what is trained on what, for how long, and against whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

import torch
from torch import Tensor

from l2l_core.evaluation import at, evaluate
from l2l_core.metagrad import tbptt
from l2l_core.rule import Rule
from l2l_core.store import check_same, load_tensors
from l2l_core.training import Training
from l2l_core.tree import Params
from l2l_core.trials import Finished, Problems, Trial
from l2l_core.unroll import Oracle, Unroll, first_order


@dataclass(frozen=True)
class Budget(Problems):
    """What a recipe costs at one scale.

    `restarts` independent runs a meta-seed, of `meta_steps` updates of φ on `b` optimizees each; a validation
    every `validate_every` updates on `validation_problems`.
    """

    meta_steps: int
    validate_every: int
    b: int
    restarts: int = 1
    validation_problems: int = 256
    seeds: int = 5

    def __post_init__(self) -> None:
        if self.meta_steps % self.validate_every:
            every = f"{self.meta_steps} of them and every {self.validate_every}-th"
            raise ValueError(f"the last meta-step must be validated, got {every}")


@dataclass(frozen=True, kw_only=True)
class Recipe(Trial):
    """A named experiment: a rule is trained on a task, then tried on it.

    `rule()` makes a fresh rule (PyTorch's global generator draws its weights). Episodes of meta-training have `episode`
    steps, or `horizon` if that is less, in windows of `window` steps, or one window if the episode is shorter. Adam's
    learning rate for φ is drawn log-uniformly from `meta_lr` for each restart; `slowdown` and `clip` are `Training`'s.
    `oracle`, `visited` and `stop` are those of `Unroll` and `tbptt`. Validation curves are scored by
    `score(curves, horizon, average)`. Recipes of one `stream` start from the same weights and train on the same
    problems, as far as their shapes allow; by default each has its own. In the package its rules are called `shipped`,
    by default NAME-lstm.
    """

    scales: Mapping[str, Budget]
    rule: Callable[[], Rule]
    window: int
    meta_lr: tuple[float, float]
    slowdown: float = inf
    clip: float = inf
    oracle: Oracle = first_order
    score: Callable[[Tensor, int, int], Tensor] = at
    episode: float = inf
    stop: float = 0.0
    visited: float = 1.0
    stream: str = ""
    shipped: str = ""

    def seeds(self, scale: str) -> int:
        """How many meta-seeds are trained."""
        return self.budget(scale).seeds

    def finished(self, scale: str, out: Path) -> list[Finished]:
        """All meta-seeds that have finished in `out`. Raises ValueError for one of another recipe or scale."""
        files = sorted(out.glob("seed*/phi.safetensors"), key=lambda path: int(path.parent.name.removeprefix("seed")))
        if not files:
            raise FileNotFoundError(f"no meta-seed of {self.name!r} has finished in {out}; train it first")
        found = []
        for path in files:
            phi, facts = load_tensors(path)
            check_same(path, facts, recipe=self.name, scale=scale)
            rule = fresh_rule(self, 0)
            rule.load_state_dict(phi)
            found.append((rule, facts))
        return found

    def training(self, scale: str, lr: float) -> Training:
        """How one restart is trained."""
        budget = self.budget(scale)
        return Training(budget.meta_steps, lr, budget.validate_every, self.slowdown, self.clip)

    def estimator(self, rule: Rule, scale: str, device: str, shard: tuple[int, int] = (0, 1)) -> tbptt:
        """The stream of meta-gradients."""
        length = int(min(self.episode, self.at_scale(scale).horizon))
        unroll, window = Unroll(rule, length, self.oracle), min(self.window, length)
        task, b = self.task("train", device), self.budget(scale).b
        return tbptt(unroll, task, b, window, shard, self.visited, self.stop)

    def validation(self, rule: Rule, scale: str, device: str) -> Callable[[Params], float]:
        """φ → mean score on fixed validation problems, in reported units: the loss at the horizon, by default."""
        task, problems = self.task("validation", device), self.budget(scale).validation_problems
        horizon = self.at_scale(scale).horizon

        def score(phi: Params) -> float:
            curves = evaluate(rule, task, problems, horizon, seed=f"{self.family}/validation", phi=phi)
            return self.unit * float(self.score(curves, horizon, self.average).mean())

        return score


def fresh_rule(recipe: Recipe, seed: int) -> Rule:
    """The recipe's rule with weights drawn from `seed`, leaving PyTorch's global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return recipe.rule()
