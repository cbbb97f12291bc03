"""What matters: the printed protocol on a small task, and the same with one choice changed at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from l2l_core.features import LogSign, Multiplied, RawGradient
from l2l_core.recipes import Budget, Recipe
from l2l_core.rule import Rule
from l2l_core.rules import CoordinatewiseLSTM, Forgetful, Reflected
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.unroll import second_order

INNER_STEPS = 6400
"""Steps of optimizees that every arm trains on: 64 episodes of 100, in windows of any length."""
SHARES = 8
"""Validations in a run, at equal shares of its inner steps."""


def budget(window: int = 20, b: int = 1) -> Budget:
    """As many meta-steps of `b` windows as take `INNER_STEPS` inner steps."""
    meta_steps, problems = INNER_STEPS // (window * b), {"validation_problems": 8, "tuning_problems": 0}
    return Budget(meta_steps, meta_steps // SHARES, b=b, test_problems=20, seeds=3, **problems)


SMOKE = Budget(2, 2, b=1, validation_problems=1, tuning_problems=0, test_problems=1, seeds=1)


def printed(**settings: Any) -> Callable[[], Rule]:
    """The printed rule, or one that differs from it in `settings`."""
    return lambda: CoordinatewiseLSTM(**{"features": LogSign(), "scale": 0.1, **settings})


def throughout(curves: Tensor, step: int, average: int) -> Tensor:
    """The mean loss of steps 1 … `step`, which meta-training minimizes: `[·, steps+1]` to `[·]`."""
    return curves[..., 1 : step + 1].mean(-1)


BASE = Recipe(
    name="ablation",
    family="ablation",
    stream="ablation",
    summary="The printed protocol on MNIST averaged to 14×14, from which each ablation differs in one choice",
    task=lambda split, device: MNISTNetwork(split, device=device, pool=2),
    rule=printed(),
    horizon=100,
    window=20,
    test_steps=100,
    average=10,
    meta_lr=(1e-2, 1e-2),
    baselines={},
    scales={"smoke": SMOKE, "paper": budget()},
)
"""The printed protocol at one learning rate of φ, with less data and less time."""


def _arm(label: str, summary: str, **changes: Any) -> Recipe:
    return replace(BASE, name=f"ablation-{label}", summary=f"Ablation: {summary}", **changes)


def _window(steps: int) -> Recipe:
    smoke = replace(SMOKE, meta_steps=1, validate_every=1)
    scales = {"smoke": smoke, "paper": budget(steps)}
    return _arm(f"window-{steps}", f"windows of {steps} steps instead of 20", window=steps, scales=scales)


def _rate(lr: float) -> Recipe:
    return _arm(f"rate-{lr:g}", f"a learning rate of φ of {lr:g} instead of 0.01", meta_lr=(lr, lr))


ARMS: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        BASE,
        _arm("no-preprocessing", "the rule sees the gradient itself", rule=printed(features=RawGradient())),
        _arm("second-order", "meta-gradients flow through the optimizee's gradients", oracle=second_order),
        _window(5),
        _window(100),
        _arm("scale-0.01", "an output scale of 0.01 instead of 0.1", rule=printed(scale=0.01)),
        _arm("scale-1", "an output scale of 1 instead of 0.1", rule=printed(scale=1.0)),
        _rate(1e-3),
        _rate(3e-2),
        # the root mean square of this task's gradients is a little below 1/300
        _arm("multiplied", "the rule sees 300 times the gradient", rule=printed(features=Multiplied(300.0))),
        _arm("forgetful", "the rule's memory ends every 20 steps", rule=lambda: Forgetful(printed()(), 20)),
        _arm("reflected", "random reflection", rule=lambda: Reflected(printed()())),
        _arm("four", "four optimizees a meta-step", scales={"smoke": replace(SMOKE, b=4), "paper": budget(b=4)}),
        _arm("hidden-10", "10 units a layer instead of 20", rule=printed(hidden=10)),
        _arm("hidden-40", "40 units a layer instead of 20", rule=printed(hidden=40)),
        _arm("depth-1", "one layer instead of two", rule=printed(depth=1)),
        _arm("depth-3", "three layers instead of two", rule=printed(depth=3)),
        _window(10),
        _window(50),
        _rate(3e-3),
        _arm("p-5", "p = 5 instead of 10", rule=printed(features=LogSign(5.0))),
        _arm("forget-bias", "a forget-gate bias of 1 at the start", rule=printed(forget_bias=1.0)),
        _arm("by-sum", "selection by the mean loss of all steps, not of the last ten", score=throughout),
    )
}
"""Every arm by name, the one in which nothing is changed first."""


def _at_full_size(arm: Recipe) -> Recipe:
    def task(split: str, device: str) -> MNISTNetwork:
        return MNISTNetwork(split, device=device)

    full, summary = f"{BASE.name}-full", f"{arm.summary}; at full size"
    return replace(arm, name=arm.name.replace(BASE.name, full, 1), family=full, summary=summary, task=task)


FULL_SIZE: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _at_full_size(ARMS[name])
        for name in ("ablation", "ablation-no-preprocessing", "ablation-window-5", "ablation-scale-0.01")
    )
}
"""Four of them on the network of `mnist`, 28×28 pixels."""

ABLATIONS: dict[str, Recipe] = {**ARMS, **FULL_SIZE}
"""All by name."""
