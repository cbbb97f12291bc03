"""The version for classes: every exercise is there, no solution is, and the pages still run."""

import ast
import re
from zipfile import ZipFile

import nbformat
import papermill
import pytest

from l2l_core.exercises import CHECKS
from l2l_core.student import without_solutions, write_student_version

v4 = nbformat.v4


@pytest.fixture
def page(chapter):
    return nbformat.read(chapter, 4)


def solutions(page):
    return [cell for cell in page.cells if "solution" in cell.metadata.get("tags", [])]


def headings(page):
    text = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
    return re.findall(r"^#+ Exercise \w+", text, re.MULTILINE)


def test_every_exercise_stays_and_has_one_empty_cell(page):
    student = without_solutions(page)
    assert headings(student) == headings(page)
    answers = [cell for cell in student.cells if "answer" in cell.metadata.get("tags", [])]
    assert [cell.source for cell in answers] == [
        f"# Your answer to {re.search(r'Exercise .', heading).group()}\n" for heading in headings(page)
    ]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in answers)
    nbformat.validate(student)


def test_nothing_of_a_solution_survives(page):
    text = nbformat.writes(without_solutions(page))
    own = "\n".join(cell.source for cell in page.cells if cell not in solutions(page))
    assert solutions(page)
    for cell in solutions(page):
        for output in cell.outputs:
            assert "text" not in output or repr(output.text)[1:-1] not in text
        for line in filter(lambda line: len(line.strip()) > 40, cell.source.splitlines()):
            assert line.strip() in own or line.strip() not in text


def test_all_else_is_as_it_was(page):
    rest = [cell for cell in without_solutions(page).cells if "answer" not in cell.metadata.get("tags", [])]
    assert rest == [cell for cell in page.cells if cell not in solutions(page)]


def test_no_cell_uses_what_only_a_solution_defines(page):
    """Names bound by the solutions alone are read by no other cell: the page runs without them."""

    def names(cells, kind):
        trees = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
        nodes = [node for tree in trees for node in ast.walk(tree)]
        found = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, kind)}
        if kind is ast.Store:
            found |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            imported = [alias for node in nodes for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
            found |= {alias.asname or alias.name.partition(".")[0] for alias in imported}
            found |= {node.arg for node in nodes if isinstance(node, ast.arg)}
        return found

    others = [cell for cell in page.cells if cell not in solutions(page)]
    own = names(solutions(page), ast.Store) - names(others, ast.Store)
    assert own & names(others, ast.Load) == set()


def test_a_solution_without_an_exercise_is_an_error():
    cell = v4.new_code_cell("1", metadata={"tags": ["solution"]})
    with pytest.raises(ValueError, match="before any exercise"):
        without_solutions(v4.new_notebook(cells=[cell]))


def test_the_archive_holds_every_chapter_and_is_the_same_each_time(root, tmp_path):
    archive = write_student_version(root, tmp_path / "student")
    once = archive.read_bytes()
    names = {f"student/{path.relative_to(root / 'book').as_posix()}" for path in (root / "book").glob("*/*.ipynb")}
    assert set(ZipFile(archive).namelist()) == names
    assert all((tmp_path / name).read_bytes() == ZipFile(archive).read(name) for name in names)
    assert write_student_version(root, tmp_path / "student").read_bytes() == once


def test_a_chapter_without_solutions_runs(root, tmp_path, monkeypatch):
    monkeypatch.setenv("L2L_STATIC", "1")
    page = without_solutions(nbformat.read(root / "book" / "foundations" / "time-and-memory.ipynb", 4))
    nbformat.write(page, tmp_path / "page.ipynb")
    settings = {"kernel_name": "python3", "cwd": tmp_path, "progress_bar": False, "execution_timeout": 300}
    done = papermill.execute_notebook(tmp_path / "page.ipynb", tmp_path / "done.ipynb", {"scale": "smoke"}, **settings)
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")


WITHOUT: set[str] = set()
"""Chapters that have no self-check yet."""


def test_every_chapter_has_a_self_check(chapter, page):
    asked = any(f'assert check("{chapter.stem}-' in cell.source for cell in solutions(page))
    assert asked == (chapter.stem not in WITHOUT)


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_self_check_is_named_in_its_exercise_and_run_in_its_solution(exercise, root):
    stem, _, number = exercise.rpartition("-")
    if stem in WITHOUT:
        return
    (path,) = (root / "book").glob(f"*/{stem}.ipynb")
    cells = nbformat.read(path, 4).cells
    (at,) = (i for i, cell in enumerate(cells) if re.search(rf"^### Exercise {number}\b", cell.source, re.MULTILINE))
    call = f'check("{exercise}", '
    assert f"`{call}" in cells[at].source
    assert f"assert {call}" in cells[at + 1].source
    assert f"{exercise}: right." in "".join(o.get("text", "") for o in cells[at + 1].outputs)
