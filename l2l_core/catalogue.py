"""Everything that can be tested, by name."""

from l2l_core.ablations import ABLATIONS
from l2l_core.atlas import ATLAS, CURED
from l2l_core.panels import AS_TRAINED, PAIRS, PANELS, TEN_TIMES
from l2l_core.races import RACES
from l2l_core.recipes import RECIPES
from l2l_core.styles import STRETCHED
from l2l_core.transfers import GRID, LARGER_START, NETWORKS, PRINTED_RELU
from l2l_core.trials import Trial

_SINGLE = {trial.name: trial for trial in (PRINTED_RELU, LARGER_START, *GRID.values())}

TRIALS: dict[str, Trial] = {
    **RECIPES,
    **ABLATIONS,
    **NETWORKS,
    **_SINGLE,
    **ATLAS,
    **CURED,
    **PANELS,
    **PAIRS,
    TEN_TIMES.name: TEN_TIMES,
    AS_TRAINED.name: AS_TRAINED,
    **RACES,
    **{trial.name: trial for trial in STRETCHED},
}
"""Recipes, and trials of their rules on what they were not trained on."""


def trial(name: str) -> Trial:
    """The trial called `name`; a recipe is one too. Raises ValueError, naming those there are, for an unknown one."""
    if name not in TRIALS:
        raise ValueError(f"unknown trial {name!r}; there are {', '.join(TRIALS)}")
    return TRIALS[name]
