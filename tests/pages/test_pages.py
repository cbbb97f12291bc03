"""The command that runs pages: what it writes, and what it refuses."""

import json

import nbformat
import pytest

from l2l_core.pages import chapters, execute, find_root, setup_cell, write_setup_cells

v4 = nbformat.v4


@pytest.fixture
def book(tmp_path):
    """A small book of one's own."""
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/a/b, branch: dev}\n")
    (tmp_path / "book").mkdir()
    return tmp_path


def write(book, *sources):
    page = v4.new_notebook(cells=[v4.new_markdown_cell("# Title"), *map(v4.new_code_cell, sources)])
    path = book / "book" / "page.ipynb"
    nbformat.write(page, path)
    return path


def test_setup_cell_names_the_repository_of_the_configuration(book):
    assert '"l2l-core[book] @ git+https://example.org/a/b@dev"' in setup_cell(book)


def test_setup_cell_is_written_first_and_once(book):
    path = write(book, "scale = 'book'", "1")
    write_setup_cells([path])
    once = path.read_text()
    write_setup_cells([path])
    assert path.read_text() == once
    page = nbformat.read(path, 4)
    sources = [cell.source for cell in page.cells]
    assert sources == ["# Title", setup_cell(book), "scale = 'book'", "1"]
    assert page.cells[1].metadata.tags == ["hide-cell", "setup"]


def test_solutions_are_folded(book):
    path = write(book, "1")
    page = nbformat.read(path, 4)
    page.cells[1].metadata.tags = ["solution"]
    nbformat.write(page, path)
    write_setup_cells([path])
    solution = nbformat.read(path, 4).cells[2]
    assert solution.metadata.tags == ["hide-cell", "solution"]
    assert (solution.metadata.cellView, solution.metadata.jupyter.source_hidden) == ("form", True)


def test_outputs_are_stored_with_their_cost(book):
    path = write(book, "import os, pathlib\nprint(os.environ['L2L_STATIC'], pathlib.Path.cwd().name)")
    execute([path])
    page = nbformat.read(path, 4)
    assert page.cells[1].outputs[0].text == "1 book\n"
    assert len(page.cells) == 2
    assert all("execution" not in cell.metadata for cell in page.cells)
    cost = json.loads((book / "results" / "pages.json").read_text())["book/page.ipynb"]
    assert cost["seconds"] > 0
    assert cost["peak_mb"] > 10
    assert {"python", "torch", "numpy", "matplotlib"} == set(cost["versions"])


def test_running_twice_writes_the_same_page(book):
    path = write(book, "{'a': 1}")
    execute([path])
    once = path.read_bytes()
    execute([path])
    assert path.read_bytes() == once


@pytest.mark.parametrize(
    ("source", "complaint"),
    [("1 / 0", "ZeroDivisionError"), ("import sys\nprint('no', file=sys.stderr)", "writes to stderr")],
)
def test_a_page_that_fails_stays_as_it_was(book, source, complaint):
    path = write(book, source)
    before = path.read_bytes()
    with pytest.raises(Exception, match=complaint):
        execute([path])
    assert path.read_bytes() == before
    assert not (book / "results").exists()


def test_chapters_are_found_without_editors_copies(book):
    path = write(book, "1")
    copy = book / "book" / ".ipynb_checkpoints" / "page.ipynb"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert chapters(book) == [path]


def test_outside_a_checkout_the_error_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"_config\.yml"):
        find_root(tmp_path)
