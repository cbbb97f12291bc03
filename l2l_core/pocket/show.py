"""The pocket benchmark's table and its figure."""

from collections.abc import Mapping
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from l2l_core.plotting import COLOURS, curves, label_lines, svg, use_style
from l2l_core.pocket.bench import STEPS, Steps
from l2l_core.profiles import profile
from l2l_core.store import write_atomically

FACTORS = {"the fastest": 1, "within × 2": 2, "within × 4": 4, "at all": inf}
"""Rows at the end of the table: the share of all problems that are solved in so many times the fastest's steps."""

FOUND_HERE = tuple(COLOURS[name] for name in ("lstm", "momentum", "lstm-sub"))
"""Colours of rules that are no baselines, one after another."""


def table(found: Mapping[str, Steps]) -> list[tuple[str, ...]]:
    """Heads; by task every rule's median steps to the target, – where half of its problems or more stay without.

    Then the rows of `FACTORS`, the profile of all problems.
    """
    tasks = list(next(iter(found.values())))
    rows: list[tuple[str, ...]] = [("", *found)]
    for task in tasks:
        medians = [np.median(steps[task]) for steps in found.values()]
        rows.append((task, *(f"{median:.0f}" if median < inf else "–" for median in medians)))
    shares = profile(together(found), list(FACTORS.values()))
    for k, label in enumerate(FACTORS):
        rows.append((label, *(f"{100 * share[k]:.0f} %" for share in shares.values())))
    return rows


def together(found: Mapping[str, Steps]) -> dict[str, np.ndarray]:
    """Every rule's steps on all problems, task after task. Raises ValueError if rules were run on different tasks."""
    tasks = list(next(iter(found.values()), ()))
    for name, steps in found.items():
        if set(steps) != set(tasks):
            raise ValueError(f"{name} was run on {', '.join(steps)}, others on {', '.join(tasks)}")
    return {name: np.concatenate([steps[task] for task in tasks]) for name, steps in found.items()}


def lines(rows: list[tuple[str, ...]]) -> list[str]:
    """The table as text, columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{entry:{'<>'[k > 0]}{widths[k]}}" for k, entry in enumerate(row)) for row in rows]


def draw(ax: Any, baselines: Mapping[str, Steps], own: Mapping[str, Steps]) -> None:
    """The performance profile of all of them into axes; those that are no baselines thick, in colours of their own.

    Raises ValueError if one of them has the name of a baseline.
    """
    if both := baselines.keys() & own.keys():
        raise ValueError(f"{', '.join(sorted(both))}: there is a baseline of that name; choose another")
    factors = np.geomspace(1, STEPS, 400)
    ax.set(xscale="log", ylim=(0, 1), xlabel="τ: times the steps of the fastest", ylabel="share of problems solved")
    ax.xaxis.set_major_formatter("{x:g}")
    looks = dict(zip(own, ({"color": c, "lw": 2.5} for c in cycle(FOUND_HERE)), strict=False))
    for name, share in profile(together({**baselines, **own}), factors).items():
        look = looks.get(name, {"lw": 1.2})
        curves(ax, {name: share}, steps=factors, label=False, drawstyle="steps-post", **look)
    label_lines(ax)


def write_plot(path: Path, baselines: Mapping[str, Steps], own: Mapping[str, Steps]) -> None:
    """Draw the performance profile into an SVG file. Raises ImportError without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install 'l2l-core[book]'") from error
    with mpl.rc_context():  # neither the style nor a backend is left behind in a reader's notebook
        use_style()
        fig = Figure()
        FigureCanvasAgg(fig)
        draw(fig.subplots(), baselines, own)
        write_atomically(path, svg(fig).encode())
