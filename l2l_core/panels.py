"""The rules of `cifar` on some of the labels (Andrychowicz et al. 2016, Fig. 7 centre and right)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from l2l_core.recipes.cifar import FIVE, RATES, TESTED, TESTED_ON_TWO, TWO, network
from l2l_core.tasks.cifar import CLASSES, CIFARNetwork
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems


def _panel(
    name: str, summary: str, task: Callable[[str, str], CIFARNetwork], problems: int = 10, **settings: Any
) -> Transfer:
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1, steps=20),
        "paper": Problems(tuning_problems=2, test_problems=problems),
    }
    common = {"family": name, "source": "cifar", "task": task, "scales": scales}
    return Transfer(name=name, summary=summary, **{**common, **TESTED, **settings})


PAPERS_RATES = {name: rate for name, rate in RATES.items() if name != "adam-cosine"}
"""Where tuning of the paper's four starts; the modern rival is run on all ten labels."""

FIVE_LABELS, TWO_LABELS = (partial(network, classes=classes) for classes in (FIVE, TWO))

PANELS: dict[str, Transfer] = {
    trial.name: trial
    for trial in (
        _panel("cifar-5", "The rules of `cifar` on five labels (Fig. 7 centre)", FIVE_LABELS, baselines=PAPERS_RATES),
        _panel(
            "cifar-2",
            "The rules of `cifar` on two labels (Fig. 7 right)",
            TWO_LABELS,
            baselines=PAPERS_RATES,
            **TESTED_ON_TWO,
        ),
    )
}
"""The panels that `cifar` was not trained on, though it has seen their labels."""

OTHER_PAIRS = ((2, 3), (1, 4))
"""More pairs of labels, of which the rules of `cifar-sub5` have seen none."""


def _pair(source: str, pair: tuple[int, int], **settings: Any) -> Transfer:
    labels = [CLASSES[k] for k in pair]
    name, summary = f"{source}-{'-'.join(labels)}", f"The rules of `{source}` on {' and '.join(labels)}"
    common = {"source": source, "family": f"cifar-{'-'.join(labels)}", **TESTED_ON_TWO}
    return _panel(name, summary, partial(network, classes=pair), **common, **settings)


PAIRS: dict[str, Transfer] = {
    trial.name: trial
    for pair in OTHER_PAIRS
    for trial in (_pair("cifar", pair, baselines={"nag": RATES["nag"]}), _pair("cifar-sub5", pair, baselines={}))
}
"""Does the choice of labels matter? Once more on others, against the strongest of the paper's baselines."""

TEN_TIMES = _panel(
    "cifar-std-0.1",
    "The rules of `cifar` where weights start ten times as large",
    partial(network, start_std=0.1),
    problems=3,
    baselines={"nag": RATES["nag"], "adam": RATES["adam"]},
)
"""The paper does not say how weights start; how soon a network begins to learn hangs on it."""
