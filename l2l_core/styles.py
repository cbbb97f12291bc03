"""Trials of the rules of `neural-art` on what they were not trained to paint."""

from functools import partial
from typing import Any

from l2l_core.gallery import PAINTINGS
from l2l_core.recipes.neural_art import RATES, STYLE, easel
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems


def _painted(name: str, summary: str, baselines: dict[str, float], test: int = 10, **task: Any) -> Transfer:
    name = f"neural-art-{name}"
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1, steps=32),
        "paper": Problems(tuning_problems=4, test_problems=test),
    }
    settings = {"source": "neural-art", "horizon": 128, "test_steps": 128, "scales": scales}
    return Transfer(
        name=name, family=name, summary=summary, task=partial(easel, **task), baselines=baselines, **settings
    )


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

STRETCHED = (
    NEW_STYLE,
    *STYLES.values(),
    _painted("256", "Four times the side", ADAM, test=5, side=256),
    _painted("squeezenet", "Another perceptual network", ADAM, network="squeezenet"),
)
"""All trials of this file."""
