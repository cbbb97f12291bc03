"""The rules of `cifar` on some of the labels (Andrychowicz et al. 2016, Fig. 7 centre and right)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from l2l_core.recipes.cifar import FIVE, TESTED, TESTED_ON_TWO, TWO, network
from l2l_core.tasks.cifar import CLASSES, CIFARNetwork
from l2l_core.transfers import Transfer
from l2l_core.trials import Problems


def _panel(
    name: str,
    summary: str,
    task: Callable[[str, str], CIFARNetwork],
    tuning_problems: int = 2,
    test_problems: int = 10,
    **settings: Any,
) -> Transfer:
    scales = {
        "smoke": Problems(tuning_problems=0, test_problems=1, steps=20),
        "paper": Problems(tuning_problems=tuning_problems, test_problems=test_problems),
    }
    common = {"family": name, "source": "cifar", "task": task, "scales": scales}
    return Transfer(name=name, summary=summary, **{**common, **TESTED, **settings})


FOUND = {"sgd": 0.225, "nag": 0.075, "rmsprop": 0.003375, "adam": 0.003}
"""Where tuning of the paper's four starts: near what is best for `cifar`. The modern rival is run there alone."""

PANELS: dict[str, Transfer] = {
    trial.name: trial
    for trial in (
        _panel(
            "cifar-5",
            "The rules of `cifar` on five labels (Fig. 7 centre)",
            partial(network, classes=FIVE),
            baselines=FOUND,
        ),
        _panel(
            "cifar-2",
            "The rules of `cifar` on two labels (Fig. 7 right)",
            partial(network, classes=TWO),
            baselines=FOUND,
            **TESTED_ON_TWO,
        ),
    )
}
"""The panels that `cifar` was not trained on, though it has seen their labels."""

OTHER_PAIRS = ((2, 3),)
"""Two more labels, of which the rules of `cifar-sub5` have seen none."""


def _pair(source: str, pair: tuple[int, int], **settings: Any) -> Transfer:
    labels = [CLASSES[k] for k in pair]
    name, summary = f"{source}-{'-'.join(labels)}", f"The rules of `{source}` on {' and '.join(labels)}"
    common = {"source": source, "family": f"cifar-{'-'.join(labels)}", **TESTED_ON_TWO}
    return _panel(name, summary, partial(network, classes=pair), test_problems=5, **common, **settings)


PAIRS: dict[str, Transfer] = {
    trial.name: trial
    for pair in OTHER_PAIRS
    for trial in (_pair("cifar", pair, baselines={"nag": FOUND["nag"]}), _pair("cifar-sub5", pair, baselines={}))
}
"""Does the choice of labels matter? Once more on others, against the strongest of the paper's baselines."""

TEN_TIMES = _panel(
    "cifar-std-0.1",
    "The rules of `cifar` where weights start ten times as large",
    partial(network, start_std=0.1),
    tuning_problems=1,
    test_problems=3,
    baselines={"nag": FOUND["nag"], "adam": FOUND["adam"]},
)
"""The paper does not say how weights start; how soon a network begins to learn hangs on it."""

AS_TRAINED = _panel(
    "cifar-100-steps",
    "The rules of `cifar` for as many steps as they were trained for, beside rivals tuned for as many",
    network,
    tuning_problems=4,
    baselines=FOUND,
    horizon=100,
    test_steps=100,
)
"""Rates that are best after 1,000 steps need not be after 100."""
