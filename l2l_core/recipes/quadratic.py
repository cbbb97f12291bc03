"""Ten-dimensional quadratics (Andrychowicz et al. 2016, §3.1)."""

from l2l_core.recipes.base import Budget, Recipe
from l2l_core.rules import CoordinatewiseLSTM
from l2l_core.tasks.quadratic import Quadratic


def _quadratic(split: str, device: str) -> Quadratic:
    # the plain sum of squares is what is optimized; the paper's axis shows its tenth (`unit`)
    return Quadratic(scale=1.0, device=device)


_QUADRATIC = {
    "family": "quadratic",
    "rule": CoordinatewiseLSTM,
    "horizon": 100,
    "window": 20,
    "test_steps": 100,
    "meta_lr": (1e-2, 1.6e-2),
    "slowdown": 500,
}

QUADRATICS = (
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
)
"""Two units of the same functions."""
