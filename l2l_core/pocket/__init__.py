"""A pocket benchmark: ten small tasks, tuned baselines stored as data, and room for the reader's own rule.

`python -m l2l_core pocket --rule your_module:YourRule` runs a rule on a hundred problems and sets it beside the
baselines, in seconds if it is as cheap as they are.
"""

from l2l_core.pocket.bench import Reference, Steps, race, reference, tune_baselines
from l2l_core.pocket.own import named_rule
from l2l_core.pocket.show import draw, lines, table, together, write_plot
from l2l_core.pocket.tasks import POCKET, PocketTask

__all__ = [
    "POCKET",
    "PocketTask",
    "Reference",
    "Steps",
    "draw",
    "lines",
    "named_rule",
    "race",
    "reference",
    "table",
    "together",
    "tune_baselines",
    "write_plot",
]
