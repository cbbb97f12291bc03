"""The rules of `cifar` on some of the labels (Andrychowicz et al. 2016, Fig. 7 centre and right)."""

from functools import partial
from typing import Any

from l2l_core.recipes.cifar import FIVE, RATES, TESTED, TWO, network
from l2l_core.tasks.cifar import CLASSES
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems


def _panel(name: str, summary: str, classes: tuple[int, ...], **settings: Any) -> Transfer:
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1, steps=20),
        "paper": Problems(tuning_problems=2, test_problems=10),
    }
    common = {"family": name, "source": "cifar", "task": partial(network, classes=classes), "scales": scales}
    return Transfer(name=name, summary=summary, **{**common, **TESTED, **settings})


PAPERS_RATES = {name: rate for name, rate in RATES.items() if name != "adam-cosine"}
"""Where tuning of the paper's four starts; the modern rival is run on all ten labels."""

PANELS: dict[str, Transfer] = {
    trial.name: trial
    for trial in (
        _panel("cifar-5", "The rules of `cifar` on five labels (Fig. 7 centre)", FIVE, baselines=PAPERS_RATES),
        _panel("cifar-2", "The rules of `cifar` on two labels (Fig. 7 right)", TWO, baselines=PAPERS_RATES),
    )
}
"""The panels that `cifar` was not trained on, though it has seen their labels."""

OTHER_PAIRS = ((2, 3), (1, 4))
"""More pairs of labels, of which the rules of `cifar-sub5` have seen none."""


def _pair(source: str, pair: tuple[int, int], **settings: Any) -> Transfer:
    labels = [CLASSES[k] for k in pair]
    name, summary = f"{source}-{'-'.join(labels)}", f"The rules of `{source}` on {' and '.join(labels)}"
    return _panel(name, summary, pair, source=source, family=f"cifar-{'-'.join(labels)}", **settings)


PAIRS: dict[str, Transfer] = {
    trial.name: trial
    for pair in OTHER_PAIRS
    for trial in (_pair("cifar", pair, baselines={"nag": RATES["nag"]}), _pair("cifar-sub5", pair, baselines={}))
}
"""Does the choice of labels matter? Once more on others, against the strongest of the paper's baselines."""
