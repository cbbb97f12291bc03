"""The rules of `cifar` on some of the labels (Andrychowicz et al. 2016, Fig. 7 centre and right)."""

from functools import partial
from typing import Any

from l2l_core.recipes.cifar import FIVE, RATES, TESTED, TWO, network
from l2l_core.tasks.cifar import CLASSES
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems


def _panel(name: str, summary: str, classes: tuple[int, ...], **settings: Any) -> Transfer:
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1),
        "paper": Problems(tuning_problems=2, test_problems=10),
    }
    task, common = partial(network, classes=classes), {"family": name, "source": "cifar", "horizon": 500}
    return Transfer(name=name, summary=summary, task=task, scales=scales, **{**common, **TESTED, **settings})


PANELS: dict[str, Transfer] = {
    panel.name: panel
    for panel in (
        _panel("cifar-5", "The rules of `cifar` on five labels (Fig. 7 centre)", FIVE, baselines=RATES),
        _panel("cifar-2", "The rules of `cifar` on two labels (Fig. 7 right)", TWO, baselines=RATES),
    )
}
"""The panels that `cifar` was not trained on, though it has seen their labels."""

OTHER_PAIRS = ((2, 3), (1, 4))
"""More pairs of labels, none of which the rules of `cifar-sub5` have seen."""

PAIRS: dict[str, Transfer] = {
    trial.name: trial
    for pair in OTHER_PAIRS
    for source, rates in (("cifar", {"nag": 0.1, "adam": 0.003}), ("cifar-sub5", {}))
    for trial in (
        _panel(
            f"{source}-on-{pair[0]}{pair[1]}",
            f"The rules of `{source}` on the labels {CLASSES[pair[0]]} and {CLASSES[pair[1]]}",
            pair,
            family=f"cifar-{pair[0]}{pair[1]}",
            source=source,
            baselines=rates,
        ),
    )
}
"""Does the choice of labels matter? The same on others."""
