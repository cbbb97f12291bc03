"""Figures: fixed colours, labels that do not overlap, the same SVG on every run."""

import io
import re
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

from inks import BRIGHTER, DARK, brighter, contrast
from matplotlib import pyplot as plt

from l2l_core.plotting import (
    COLOURS,
    GREY,
    colour,
    curves,
    label_lines,
    legible,
    legible_text,
    slide,
    svg,
    use_style,
)
from l2l_core.rules import HAND_DESIGNED


@pytest.fixture(autouse=True)
def styled():
    with mpl.rc_context():
        use_style()
        yield
    plt.close("all")


def labels(ax):
    return {text.get_text(): text.get_window_extent() for text in ax.texts}


def test_every_rule_has_a_colour_of_its_own():
    assert {"lstm", *HAND_DESIGNED} <= set(COLOURS)
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize(("name", "rule"), [("Adam, tuned", "adam"), ("LSTM", "lstm"), ("adam-cosine", "adam-cosine")])
def test_colour_is_found_by_the_first_word(name, rule):
    assert colour(name) == COLOURS[rule]


@pytest.mark.parametrize("paint", [*COLOURS.values(), GREY, "#56e0c9", "#3b528b"])
def test_text_of_any_colour_can_be_read_on_a_light_page_and_on_a_dark_one(paint):
    ink = legible(paint)
    assert contrast(ink, "white") >= 4.5
    assert contrast(brighter(ink), DARK) >= 4.5
    assert legible(ink) == ink
    # the same hue: the channels keep their order
    assert np.argsort(mpl.colors.to_rgb(ink)).tolist() == np.argsort(mpl.colors.to_rgb(paint)).tolist()


@pytest.mark.parametrize("paint", COLOURS.values())
def test_lines_stand_out_from_either_page(paint):
    assert contrast(paint, "white") >= 2  # sky blue and orange are light; their names stand at their ends
    assert contrast(brighter(paint), DARK) >= 3


def test_the_grey_labels_of_a_map_are_read_on_a_dark_page_too():
    """A map is brightened less, for its shades mean something; its labels are grey."""
    style = (Path(__file__).parents[1] / "book" / "_static" / "custom.css").read_text()
    (factor,) = re.findall(r"img\.shades[^{]*{ filter: brightness\(([\d.]+)\)", style)
    lifted = [min(float(factor) * channel, 1) for channel in mpl.colors.to_rgb(legible(GREY))]
    assert contrast(lifted, DARK) >= 4.5


def test_the_style_sheet_says_the_same_of_a_dark_page():
    style = (Path(__file__).parents[1] / "book" / "_static" / "custom.css").read_text()
    assert f"--pst-color-background: {DARK};" in style
    assert f"filter: brightness({BRIGHTER})" in style


def test_in_a_drawing_the_text_is_legible_and_lines_keep_their_colours():
    ax = plt.subplots()[1]
    curves(ax, {"momentum": [1, 2, 3]})
    ax.text(0, 1, "on a dark cell", color="white")
    drawn = svg(ax.figure)
    assert "stroke: #e69f00" in drawn
    assert '<g style="fill: #e69f00' not in drawn
    assert f'<g style="fill: {legible("#e69f00")}' in drawn
    assert '<g style="fill: #ffffff' in drawn
    assert "fill: #808080" not in drawn.replace("fill: #808080; stroke", "")  # ticks are no text
    assert legible_text(drawn) == drawn


def test_labels_stand_apart_and_in_the_order_of_the_lines():
    ax = plt.subplots()[1]
    ends = {"SGD": 0.2, "NAG": 0.19, "Adam": 0.185, "LSTM": 0.18}
    curves(ax, {name: np.linspace(1, end, 50) for name, end in ends.items()})
    boxes = list(labels(ax).items())
    assert [name for name, _ in boxes] == ["LSTM", "Adam", "NAG", "SGD"]
    for (_, low), (_, high) in pairwise(boxes):
        assert low.y1 <= high.y0 + 1
    right = ax.get_window_extent().x1
    assert all(box.x0 >= right for _, box in boxes)


def test_label_of_a_diverging_line_stays_at_its_last_finite_point():
    ax = plt.subplots()[1]
    ax.plot([0, 1, 2], [1.0, 2.0, np.nan], label="diverges")
    label_lines(ax)
    assert ax.texts[0].xy == pytest.approx((1, 2))


@pytest.mark.parametrize(("seeds", "lines"), [(1, 1), (5, 6), (12, 1)])
def test_few_seeds_are_drawn_one_by_one(seeds, lines):
    ax = plt.subplots()[1]
    curves(ax, {"LSTM": np.ones((seeds, 4)) * np.arange(seeds)[:, None]}, start=1)
    assert len(ax.get_lines()) == lines
    assert len(ax.collections) == (seeds > 1)
    assert ax.get_lines()[-1].get_xdata().tolist() == [1, 2, 3, 4]


def test_curves_of_some_steps_lie_at_those():
    ax = plt.subplots()[1]
    curves(ax, {"LSTM": np.ones((2, 3))}, steps=[10, 20, 40], color="k")
    lines = ax.get_lines()
    assert [line.get_xdata().tolist() for line in lines] == [[10, 20, 40]] * 3
    assert {line.get_color() for line in lines} == {"k"}


def test_centre_is_the_median_or_the_mean():
    values = np.array([[0.0], [0.0], [9.0]])
    ends = []
    for centre in ("median", "mean"):
        ax = plt.subplots()[1]
        curves(ax, {"LSTM": values}, centre=centre)
        ends.append(ax.get_lines()[-1].get_ydata()[0])
    assert ends == [0.0, 3.0]


def test_svg_is_the_same_on_every_run_and_transparent():
    def draw():
        fig, ax = plt.subplots()
        curves(ax, {"LSTM": np.arange(5.0), "Adam": np.arange(5.0) ** 2})
        file = io.BytesIO()
        fig.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    first = draw()
    assert first == draw()
    assert b"fill: #ffffff" not in first
    assert b"<text" not in first


def drawn(value):
    figure, ax = plt.subplots()
    ax.plot([0, value], [0, 1])
    return figure


def test_a_live_reader_moves_the_slider_and_the_picture_follows(monkeypatch):
    monkeypatch.delenv("L2L_STATIC", raising=False)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    slide(drawn, [1.0, 2.0, 3.0], 2.0, "α")
    slider, picture = shown[0].children
    first = picture.value
    slider.value = 3.0
    assert (first[:5], picture.value[:5]) == (b"<?xml", b"<?xml")
    assert picture.value != first
    slider.value = 2.0
    assert picture.value == first
    assert plt.get_fignums() == []


def test_a_static_page_shows_the_figure_alone(monkeypatch):
    monkeypatch.setenv("L2L_STATIC", "1")
    monkeypatch.setattr("IPython.display.display", lambda *_: pytest.fail("a widget on a static page"))
    slide(drawn, [1.0, 2.0], 2.0, "α")
    (figure,) = map(plt.figure, plt.get_fignums())
    assert figure.axes[0].lines[0].get_xdata()[-1] == 2


def test_in_a_notebook_figures_are_shown_with_legible_text():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        use_style()
        figure, ax = plt.subplots()
        ax.text(0, 0, "orange", color="#e69f00")
        drawn = shell.display_formatter.formatters["image/svg+xml"](figure)
    finally:
        InteractiveShell.clear_instance()
    assert legible("#e69f00") in drawn
    assert "#e69f00" not in drawn
