"""Chapters keep to one shape, so that they read alike in the book, in Colab and in CI."""

import ast
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from inks import DARK, brighter, contrast

from l2l_core.pages import setup_cell

# what Jupyter Book understands and Colab prints as it stands
MYST = {
    "a role": r"(?<![\w\\}])\{[a-z][a-z:_-]*\}`\S",
    "a directive": r"^\s*(```|~~~|:::)+\{",
    "a target": r"^\([\w-]+\)=\s*$",
    "an attribute block": r"(^|[\])`])\{[.#][\w-]",
    "a labelled equation": r"\$\$\s*\([\w:-]+\)\s*$",
}
WIDGETS = re.compile(r"@interact|\binteract\w*\(|\bOutput\(")
FIGURES = {"image/svg+xml", "image/png", "image/jpeg"}


@pytest.fixture
def page(chapter):
    return nbformat.read(chapter, 4)


def code(page):
    return [cell for cell in page.cells if cell.cell_type == "code"]


def markdown(page):
    return [cell for cell in page.cells if cell.cell_type == "markdown"]


def tags(cell):
    return cell.metadata.get("tags", [])


def outputs(page):
    return [(cell, output) for cell in code(page) for output in cell.outputs]


def test_page_begins_with_its_title(page):
    titles = [line for cell in markdown(page) for line in cell.source.splitlines() if re.match(r"# \S", line)]
    assert page.cells[0].source.startswith("# ")
    assert len(titles) == 1, titles


def test_setup_cell_is_first_and_as_written(page, root):
    first = code(page)[0]
    assert first.source == setup_cell(root), "`make pages` writes the set-up cell"
    assert {"setup", "hide-cell"} <= set(tags(first))


def test_one_parameters_cell_with_four_names(page):
    (cell,) = (cell for cell in code(page) if "parameters" in tags(cell))
    names = [target.id for line in ast.parse(cell.source).body for target in line.targets]
    assert names == ["scale", "seed", "device", "out"]
    assert '"book"' in cell.source
    assert code(page)[1] is cell, "the parameters follow the set-up cell"


@pytest.mark.parametrize("kind", MYST)
def test_plain_markdown_only(page, kind):
    found = [cell.source for cell in markdown(page) if re.search(MYST[kind], cell.source, re.MULTILINE)]
    assert found == [], f"Colab prints {kind} as it stands"


def test_no_widgets_that_stall_execution(page):
    found = [cell.source for cell in code(page) if WIDGETS.search(cell.source)]
    assert found == []


def test_cells_are_short(page):
    lengths = {cell.source.splitlines()[0]: len(cell.source.splitlines()) for cell in code(page) if cell.source}
    assert {first: n for first, n in lengths.items() if n > 30} == {}


def test_every_exercise_has_a_folded_solution(page):
    after = {id(cell): page.cells[i + 1 :] for i, cell in enumerate(page.cells)}
    exercises = [cell for cell in markdown(page) if re.search(r"^#+ Exercise ", cell.source, re.MULTILINE)]
    for exercise in exercises:
        solution = next((cell for cell in after[id(exercise)] if cell.cell_type == "code"), None)
        assert solution is not None, exercise.source
        assert {"solution", "hide-cell"} <= set(tags(solution)), exercise.source
    solutions = [cell for cell in code(page) if "solution" in tags(cell)]
    assert len(solutions) >= len(exercises)
    for cell in solutions:  # Colab folds a cell that has a title and this metadata
        assert cell.source.startswith("# @title Solution")
        assert cell.metadata.get("cellView") == "form"


def test_outputs_are_stored(page):
    assert [cell.source for cell in code(page) if cell.execution_count is None] == []
    assert outputs(page)


def test_no_errors_and_nothing_on_stderr(page):
    wrong = [o for _, o in outputs(page) if o.output_type == "error" or o.get("name") == "stderr"]
    assert wrong == []


def test_figures_have_alternative_text(page):
    silent = [
        cell.source
        for cell, output in outputs(page)
        if FIGURES & set(output.get("data", {}))
        and len(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")) < 20
    ]
    assert silent == []


def test_html_is_a_slider_or_a_wall_whose_every_picture_is_described(page):
    shown = ["".join(o.data["text/html"]) for _, o in outputs(page) if "text/html" in o.get("data", {})]
    parsed = [BeautifulSoup(html, "html.parser") for html in shown]
    assert [
        html[:100] for html in shown if not html.startswith(('<div class="l2l-slider">', '<div class="l2l-wall"'))
    ] == []
    frames = [frame["aria-label"] for html in parsed for frame in html.select(".l2l-slider figure")]
    pictures = [picture["alt"] for html in parsed for picture in html.select("img")]
    assert [text for text in frames + pictures if len(text) < 20] == []


def test_figures_are_svg_without_a_date(page):
    pictures = [o.data for _, o in outputs(page) if FIGURES & set(o.get("data", {}))]
    assert [sorted(FIGURES & set(data)) for data in pictures if "image/svg+xml" not in data] == []
    assert [1 for data in pictures if "<dc:date>" in "".join(data["image/svg+xml"])] == []


def test_text_in_figures_is_legible(page):
    """On a light page and a dark one, but for white and black, which stand on a cell of their own."""
    drawn = "".join(
        "".join(data.get(kind, ""))
        for _, o in outputs(page)
        for kind in ("image/svg+xml", "text/html")
        if (data := o.get("data"))
    )
    styles = set(re.findall(r'<g style="(fill: [^"]*)" transform=', drawn))
    assert [style for style in styles if "opacity" in style] == []
    inks = {style.removeprefix("fill: ") for style in styles} - {"#ffffff"}
    assert [ink for ink in inks if contrast(ink, "white") < 4.5 or contrast(brighter(ink), DARK) < 4.5] == []


def test_nothing_random_or_timed_is_stored(page):
    assert "widgets" not in page.metadata
    assert [cell.source for cell in code(page) if "execution" in cell.metadata] == []


def test_page_is_small(chapter):
    assert chapter.stat().st_size < 1_000_000
