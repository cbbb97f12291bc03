"""Figures that read well on light and dark pages: transparent SVG, grey axes, labels at the lines' ends."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np

GREY = "#808080"

COLOURS = {
    "lstm": "#D55E00",
    "adam": "#0072B2",
    "adam-cosine": "#56B4E9",
    "nag": "#009E73",
    "momentum": "#E69F00",
    "rmsprop": "#CC79A7",
    "rmsprop-0.9": "#9C5A83",
    "sgd": "#808080",
    "lstm-sub": "#A65628",
    "lbfgs": "#8A8A00",
}
"""One colour a rule on every page: Okabe and Ito's palette, which colour-blind readers can tell apart."""


def colour(name: str) -> str:
    """The colour of the rule that `name` begins with ("Adam, tuned" is Adam's), or of a rule's name alone."""
    first = name.lower().replace(",", " ").split()
    return COLOURS.get(first[0], COLOURS["sgd"]) if first else COLOURS["sgd"]


def use_style() -> None:
    """Set matplotlib's defaults for the book; in a notebook, draw SVG that is the same on every run."""
    import matplotlib as mpl

    grey = ["axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color", "ytick.color"]
    mpl.rcParams.update(dict.fromkeys(grey, GREY))
    mpl.rcParams.update(dict.fromkeys(["figure.facecolor", "axes.facecolor", "savefig.facecolor"], "none"))
    mpl.rcParams.update(
        {
            "svg.fonttype": "path",
            "svg.hashsalt": "l2l",
            "savefig.transparent": True,
            "figure.figsize": (7, 4),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": mpl.cycler(color=list(COLOURS.values())),
            "axes.xmargin": 0,
            "lines.linewidth": 1.8,
            "legend.frameon": False,
        }
    )
    try:
        from IPython import get_ipython
        from matplotlib.figure import Figure
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if shell := get_ipython():
        set_matplotlib_formats("svg", metadata={"Date": None})
        drawings = shell.display_formatter.formatters["image/svg+xml"]
        plain = drawings.lookup_by_type(Figure)
        drawings.for_type(Figure, lambda figure: legible_text(plain(figure)))


def svg(figure: Any) -> str:
    """A figure as SVG, the same on every run, its text `legible`."""
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return legible_text(file.getvalue())


def legible(paint: str) -> str:
    """The colour `#rrggbb` as text: of its hue, as dark as white paper asks for and as light as a dark page does.

    Its luminance is brought into a range in which it has a contrast of 4.5 : 1 to white, and to the book's dark page,
    on which figures are brightened by 1.3. What is nearly white or black stands on something of its own, and stays.
    Source: WCAG 2.2, success criterion 1.4.3.
    """
    from matplotlib.colors import to_hex, to_rgb

    encoded = np.array(to_rgb(paint))
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = light @ (0.2126, 0.7152, 0.0722)
    lowest, highest = 0.128, 1.05 / 4.55 - 0.05  # a little within, for the rounding to whole bytes
    if lowest <= luminance <= highest or not 0.02 < luminance < 0.8:
        return paint
    light = (light * np.clip(luminance, lowest, highest) / luminance).clip(0, 1)
    return to_hex(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def legible_text(drawn: str) -> str:
    """What matplotlib has drawn as SVG, all of its text `legible`: lines keep their colours."""
    # text is a group with a place of its own; nothing else that is filled is
    return re.sub(r'(?<=<g style="fill: )#[0-9a-f]{6}(?=[^"]*" transform=)', lambda found: legible(found[0]), drawn)


def curves(
    ax: Any,
    series: Mapping[str, Any],
    *,
    start: int = 0,
    steps: Sequence[float] | None = None,
    centre: str = "median",
    label: bool = True,
    **line: Any,
) -> None:
    """Draw named curves `[t]` or `[seed, t]` against the step, from `start` on or at `steps`, labelled at their ends.

    Several seeds are drawn as their median (or mean: `centre`) with a band from the lowest to the highest; fewer
    than ten also one by one. Set the axes' scales first, because labels are placed on the finished axes.
    """
    middle = {"median": np.median, "mean": np.mean}[centre]
    for name, values in series.items():
        values = np.atleast_2d(np.asarray(values, dtype=float))
        at = np.arange(start, start + values.shape[1]) if steps is None else steps
        look = {"color": colour(name), **line}
        if len(values) > 1:
            ax.fill_between(at, values.min(0), values.max(0), color=look["color"], alpha=0.15, linewidth=0)
        if 1 < len(values) < 10:
            ax.plot(at, values.T, color=look["color"], alpha=0.35, linewidth=0.7)
        ax.plot(at, middle(values, 0), label=name, **look)
    if label:
        label_lines(ax)


def slide(draw: Callable[[float], Any], values: Sequence[float], start: float, name: str) -> None:
    """Show the figure that `draw` makes of a number: of `start`, or, for a live reader, of the one on a slider.

    The slider runs over `values`, of which `start` is one. Under `L2L_STATIC=1`, or without ipywidgets, the figure
    stands alone.
    """
    import matplotlib.pyplot as plt

    try:
        import ipywidgets
    except ImportError:
        ipywidgets = None
    if ipywidgets is None or os.environ.get("L2L_STATIC") == "1":
        draw(start)
        plt.show()
        return
    from IPython.display import display

    # a picture that is replaced, not `interact`: that captures outputs, which stalls kernels run by nbclient
    picture = ipywidgets.Image(format="svg+xml")
    options = [(f"{value:.3g}", value) for value in values]
    slider = ipywidgets.SelectionSlider(options=options, value=start, description=name)

    def redraw(change: Any = None) -> None:
        figure = draw(slider.value)
        picture.value = svg(figure).encode()
        plt.close(figure)

    slider.observe(redraw, "value")
    redraw()
    display(ipywidgets.VBox([slider, picture]))


def label_lines(ax: Any, gap: float = 1.15) -> None:
    """Write each labelled line's name at its right end, pushed apart where they would overlap.

    `gap` is the least distance between two labels, in heights of a letter.
    """
    import matplotlib as mpl

    ax.figure.draw_without_rendering()  # settles limits and layout
    points = 0.9 * mpl.rcParams["font.size"]
    size = ax.figure.canvas.get_renderer().points_to_pixels(points)
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    ends = sorted(((end, line) for line in lines if (end := _end(ax, line))), key=lambda pair: pair[0][1])
    heights = _spread([height for (_, height), _ in ends], gap * size)
    style = {"va": "center", "fontsize": points, "annotation_clip": False, "textcoords": "offset points"}
    for (end, line), height in zip(ends, heights, strict=True):
        offset = (6, (height - end[1]) * points / size)
        at = ax.transData.inverted().transform(end)
        ax.annotate(line.get_label(), at, xytext=offset, color=line.get_color(), **style)


def _end(ax: Any, line: Any) -> tuple[float, float] | None:
    """Where the line's last finite point lies, in pixels, kept inside the axes; None for an empty line."""
    data = ax.transData.transform(np.column_stack(line.get_data()).astype(float))
    data = data[np.isfinite(data).all(1)]
    corners = ax.transAxes.transform([(0, 0), (1, 1)])
    return tuple(np.clip(data[-1], *corners)) if len(data) else None


def _spread(heights: list[float], gap: float) -> list[float]:
    """Sorted heights moved as little as possible so that neighbours are `gap` apart."""
    groups: list[list[float]] = []  # neighbours packed `gap` apart around the mean of where they would be

    def bottom(group: list[float]) -> float:
        return sum(group) / len(group) - gap * (len(group) - 1) / 2

    for height in heights:
        groups.append([height])
        while len(groups) > 1 and bottom(groups[-1]) < bottom(groups[-2]) + gap * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [bottom(group) + i * gap for group in groups for i in range(len(group))]
