"""Trials of the rules of `neural-art` on what they were not trained to paint."""

from functools import partial
from typing import Any, NamedTuple

from l2l_core.gallery import PAINTINGS
from l2l_core.recipes.neural_art import NEURAL_ART, RATES, STYLE, easel
from l2l_core.tasks.neural_art import FromPhotograph
from l2l_core.tasks.wrappers import Scaled
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems, Trial


def rescaled(split: str, device: str, factor: float, **settings: Any) -> Scaled:
    """Photographs to be painted, with `factor` · f as the loss."""
    return Scaled(easel(split, device, **settings), factor)


def _painted(
    name: str,
    summary: str,
    baselines: dict[str, float],
    *,
    tuning: int = 4,
    test: int = 10,
    steps: int = 128,
    factor: float = 1.0,
    family: str = "",
    **task: Any,
) -> Transfer:
    name = f"neural-art-{name}"
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1, steps=32),
        "paper": Problems(tuning_problems=tuning, test_problems=test),
    }
    settings = {"source": "neural-art", "horizon": 128, "test_steps": steps, "scales": scales, "unit": 1 / factor}
    shown = partial(easel, **task) if factor == 1 else partial(rescaled, factor=factor, **task)
    return Transfer(name=name, family=family or name, summary=summary, task=shown, baselines=baselines, **settings)


ADAM = {"adam": RATES["adam"]}

NEW_STYLE = _painted(
    "new-style",
    "A style that it was not trained on, at twice the side (Fig. 8 right)",
    RATES,
    style="wave",
    side=128,
)
"""The paper's own test beyond its training; it does not name its styles."""

STYLES: dict[str, Transfer] = {
    style: _painted(style.replace("_", "-"), f"The style of {PAINTINGS[style]}", ADAM, style=style)
    for style in PAINTINGS
    if style != STYLE
}
"""Every other painting there is, at 64×64."""

LARGER = _painted("256", "Four times the side", ADAM, tuning=2, side=256)

OTHER_NETWORK = _painted("squeezenet", "Another perceptual network", ADAM, network="squeezenet")

ITS_UNIT = 0.0036
"""What SqueezeNet's loss is multiplied by for its first gradients to be as long as VGG's on validation photographs."""

OTHER_UNIT = _painted(
    "squeezenet-rescaled",
    "The same network's loss in a unit in which its first gradients are as long as VGG's",
    ADAM,
    factor=ITS_UNIT,
    family=OTHER_NETWORK.family,
    network="squeezenet",
)

BALANCES: dict[str, Transfer] = {
    label: _painted(f"style-{label}", f"The style's weight β multiplied by {factor:g}", ADAM, style_weight=10 * factor)
    for label, factor in (("x0.1", 0.1), ("x10", 10.0))
}
"""Other α : β; with β ten times as large the whole loss nearly is."""

ROUGH = _painted("no-smoothness", "Without the total variation", ADAM, smoothness=0.0)

LONGER = _painted(
    "1000-steps",
    "For 1,000 steps instead of 128",
    {"adam": RATES["adam"], "adam-cosine": RATES["adam-cosine"]},
    tuning=2,
    steps=1000,
)

WARM = _painted("warm-start", "Begun at the photograph instead of at noise", ADAM, kind=FromPhotograph)

STRETCHED = (NEW_STYLE, *STYLES.values(), LARGER, OTHER_NETWORK, OTHER_UNIT, *BALANCES.values(), ROUGH, LONGER, WARM)
"""All trials of this file."""


class Cell(NamedTuple):
    """One line of the atlas: what `trial` says at `step`, under a heading and a label."""

    group: str
    label: str
    trial: Trial
    step: int = 128


ATLAS = (
    Cell("as trained", "64×64, The Starry Night", NEURAL_ART[0]),
    *(Cell("style", PAINTINGS[style].split(", ")[-2], trial) for style, trial in STYLES.items()),
    Cell("size", "128×128, The Great Wave", NEW_STYLE),
    Cell("size", "256×256, The Starry Night", LARGER),
    Cell("loss", "β × 0.1", BALANCES["x0.1"]),
    Cell("loss", "β × 10", BALANCES["x10"]),
    Cell("loss", "no smoothness", ROUGH),
    Cell("loss", "SqueezeNet's features", OTHER_NETWORK),
    Cell("loss", "SqueezeNet's, in VGG's unit", OTHER_UNIT),
    Cell("start", "begun at the photograph", WARM),
    Cell("horizon", "1,000 steps", LONGER, 1000),
)
"""The atlas of the chapter, heading by heading."""
