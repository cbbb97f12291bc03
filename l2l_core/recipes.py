"""Named experiments: what is trained on what, for how long, and against whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from l2l_core.evaluation import at, evaluate
from l2l_core.features import LogSign
from l2l_core.metagrad import tbptt
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Reflected, Without
from l2l_core.store import check_same, load_tensors
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.tasks.quadratic import Quadratic
from l2l_core.tasks.wrappers import RandomlyScaled
from l2l_core.training import Training
from l2l_core.tree import Params
from l2l_core.trials import Finished, Problems, Trial
from l2l_core.types import Task
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

    `rule()` makes a fresh rule (PyTorch's global generator draws its weights). Episodes have `horizon` steps in
    windows of `window`; Adam's learning rate for φ is drawn log-uniformly from `meta_lr` for each restart and slows
    down as `Training` says. `oracle` says what a meta-gradient flows through; `stop` > 0 lets episodes end after any
    window with that chance. Validation curves are scored by `score(curves, horizon, average)`. Recipes of one `stream`
    start from the same weights and train on the same problems, as far as their shapes allow; by default each has its
    own.
    """

    scales: Mapping[str, Budget]
    rule: Callable[[], Rule]
    window: int
    meta_lr: tuple[float, float]
    slowdown: float = inf
    oracle: Oracle = first_order
    score: Callable[[Tensor, int, int], Tensor] = at
    stop: float = 0.0
    stream: str = ""

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
        return Training(budget.meta_steps, lr, budget.validate_every, self.slowdown)

    def estimator(self, rule: Rule, scale: str, device: str, shard: tuple[int, int] = (0, 1)) -> tbptt:
        """The stream of meta-gradients."""
        unroll = Unroll(rule, self.horizon, self.oracle)
        return tbptt(unroll, self.task("train", device), self.budget(scale).b, self.window, shard, stop=self.stop)

    def validation(self, rule: Rule, scale: str, device: str) -> Callable[[Params], float]:
        """φ → mean score on fixed validation problems, in reported units: the loss at the horizon, by default."""
        task, problems = self.task("validation", device), self.budget(scale).validation_problems

        def score(phi: Params) -> float:
            curves = evaluate(rule, task, problems, self.horizon, seed=f"{self.family}/validation", phi=phi)
            return self.unit * float(self.score(curves, self.horizon, self.average).mean())

        return score


def _quadratic(split: str, device: str) -> Quadratic:
    # the plain sum of squares is what is optimized; the paper's axis shows its tenth (`unit`)
    return Quadratic(scale=1.0, device=device)


def _mnist(split: str, device: str) -> MNISTNetwork:
    return MNISTNetwork(split, device=device)


def _small(split: str, device: str) -> MNISTNetwork:
    return MNISTNetwork(split, device=device, pool=2)


def _in_units(split: str, device: str) -> Task:
    task = _small(split, device)
    return RandomlyScaled(task, 0.01, 100.0) if split == "train" else task


_QUADRATIC = {
    "family": "quadratic",
    "rule": CoordinatewiseLSTM,
    "horizon": 100,
    "window": 20,
    "test_steps": 100,
    "meta_lr": (1e-2, 1.6e-2),
    "slowdown": 500,
}

_MNIST = {
    "family": "mnist",
    "task": _mnist,
    "horizon": 100,
    "window": 20,
    "test_steps": 200,
    "average": 10,
}

_WANDERING = {
    "family": "wandering",
    "task": _small,
    "horizon": 100,
    "window": 20,
    "test_steps": 100,
    "average": 10,
    "meta_lr": (1e-2, 1e-2),
}


def _printed() -> Rule:
    return CoordinatewiseLSTM(features=LogSign(), scale=0.1)


def _short_runs(meta_steps: int = 300, b: int = 1, tuning_problems: int = 0) -> dict[str, Budget]:
    """Ten runs of a minute or less, too short to compete with `mnist`: what they show is how they go."""
    smoke = Budget(2, 1, b=b, restarts=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1)
    every, problems = meta_steps // 10, {"validation_problems": 7, "tuning_problems": tuning_problems}
    paper = Budget(meta_steps, every, b=b, restarts=10, test_problems=20, seeds=1, **problems)
    return {"smoke": smoke, "paper": paper}


def _arm(name: str, summary: str, rule: Callable[[], Rule] = _printed, **settings: Any) -> Recipe:
    """One arm of the short runs; `settings` are what it changes."""
    common = {"baselines": {}, "scales": _short_runs(), **_WANDERING}
    return Recipe(name=name, summary=summary, rule=rule, **{**common, **settings})


def _cure(name: str, summary: str, **settings: Any) -> Recipe:
    """The printed protocol on the small task, or with something against the failures of the atlas."""
    smoke = Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1)
    paper = Budget(1000, 100, b=1, validation_problems=8, tuning_problems=8, test_problems=20, seeds=3)
    common = {"family": "cure", "stream": "cure", "task": _small, "test_steps": 100, "baselines": {}}
    scales = {"smoke": smoke, "paper": paper}
    return Recipe(name=name, summary=summary, rule=_printed, scales=scales, **{**_WANDERING, **common, **settings})


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="quadratic",
            summary="Gaussian 10-dimensional quadratics (Andrychowicz et al. 2016, Fig. 4 left)",
            task=_quadratic,
            unit=0.1,
            baselines={
                "sgd": 0.01,
                "momentum": 0.01,
                "nag": 0.01,
                "rmsprop": 0.02,
                "rmsprop-0.9": 0.02,
                "adam": 0.2,
                "adam-cosine": 0.3,
            },
            as_printed={"sgd": 0.0018, "nag": 0.0016},
            scales={
                "smoke": Budget(20, 10, b=16, validation_problems=16, tuning_problems=0, test_problems=32, seeds=1),
                "paper": Budget(2500, 125, b=128, tuning_problems=2000),
            },
            **_QUADRATIC,
        ),
        Recipe(
            name="quadratic-mean-units",
            summary="The same functions divided by ten, so that the rule sees gradients a tenth as large",
            task=lambda split, device: Quadratic(scale=0.1, device=device),
            baselines={},
            scales={
                "smoke": Budget(20, 10, b=16, validation_problems=16, test_problems=32, seeds=1),
                "paper": Budget(2500, 125, b=128, seeds=3),
            },
            **_QUADRATIC,
        ),
        Recipe(
            name="mnist",
            summary="A 20-unit sigmoid network on MNIST (Fig. 4 centre and right), trained with random reflection",
            rule=lambda: Reflected(CoordinatewiseLSTM(features=LogSign(), scale=0.1)),
            meta_lr=(1e-2, 1e-2),
            slowdown=1000,
            baselines={
                "sgd": 3.0,
                "nag": 1.0,
                "rmsprop": 0.01,
                "rmsprop-0.9": 0.02,
                "adam": 0.03,
                "adam-cosine": 0.05,
            },
            scales={
                "smoke": Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1),
                "paper": Budget(5000, 100, b=1, validation_problems=8, tuning_problems=16, test_problems=100, seeds=3),
            },
            **_MNIST,
        ),
        Recipe(
            name="mnist-as-printed",
            summary="The same by the paper's own protocol: no reflection, a learning rate of φ drawn at random",
            rule=lambda: CoordinatewiseLSTM(features=LogSign(), scale=0.1),
            meta_lr=(1e-3, 1e-2),
            baselines={},
            scales={
                "smoke": Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1),
                "paper": Budget(2500, 50, b=1, validation_problems=8, tuning_problems=0, test_problems=100, seeds=3),
            },
            **_MNIST,
        ),
        _arm(
            "wandering",
            "Short runs by the printed protocol on MNIST averaged to 14×14: does meta-training wander?",
            baselines={"sgd": 3.0, "nag": 1.5, "rmsprop": 0.01, "adam": 0.045},
            scales=_short_runs(tuning_problems=16),
        ),
        _arm("wandering-reflected", "The same with random reflection", lambda: Reflected(_printed())),
        _arm(
            "wandering-unbiased",
            "The same without a bias in the read-out",
            lambda: Without(_printed(), "readout.bias"),
        ),
        _arm("wandering-decay", "The same with a learning rate of φ that falls to a quarter", slowdown=100),
        _arm(
            "wandering-four",
            "The same with four optimizees a meta-step, for the same time",
            scales=_short_runs(meta_steps=120, b=4),
        ),
        _cure(
            "cure-none",
            "The printed protocol on MNIST averaged to 14×14: what the cures are held against",
            baselines={"sgd": 3.0, "nag": 1.5, "rmsprop": 0.01, "adam": 0.045, "adam-cosine": 0.05},
        ),
        _cure("cure-units", "The same, every problem's loss times a number between 1/100 and 100", task=_in_units),
        _cure(
            "cure-horizon",
            "The same, with episodes that may end after any window: 186 steps on average, 500 at most",
            horizon=500,
            test_steps=500,
            stop=0.1,
        ),
    )
}
"""Every experiment of the book by name."""


def recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises ValueError, naming those there are, for an unknown one."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def fresh_rule(recipe: Recipe, seed: int) -> Rule:
    """The recipe's rule with weights drawn from `seed`, leaving PyTorch's global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return recipe.rule()
