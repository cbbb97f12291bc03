"""The chapters without their solutions, for classes.

`python -m l2l_core.student [FOLDER]` writes every chapter into FOLDER (`build/student`), with an empty cell where each
exercise's solution was, and all of them into FOLDER.zip beside it.
"""

import re
import sys
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from l2l_core.pages import chapters, find_root
from l2l_core.store import write_atomically

ANSWER = "# Your answer to {exercise}\n"
"""What stands where a solution was."""

HEADING = re.compile(r"^#+ (Exercise \w+)", re.MULTILINE)


def without_solutions(page: Any) -> Any:
    """A copy of `page` in which one cell tagged "answer" stands for all cells that solve an exercise.

    Raises ValueError for a solution that follows no exercise.
    """
    import nbformat

    student, exercise, answered = nbformat.from_dict(page), None, None
    cells = []
    for cell in student.cells:
        if cell.cell_type == "markdown" and (headings := HEADING.findall(cell.source)):
            exercise = headings[-1]
        if "solution" not in cell.metadata.get("tags", []):
            cells.append(cell)
        elif exercise is None:
            raise ValueError(f"a solution before any exercise: {cell.source[:60]!r}")
        elif exercise != answered:
            answered = exercise
            empty = nbformat.v4.new_code_cell(ANSWER.format(exercise=exercise), id=cell.id)
            empty.metadata.tags = ["answer"]
            cells.append(empty)
    student.cells = cells
    return student


def write_student_version(root: Path, folder: Path) -> Path:
    """Write the chapters of the checkout `root` without solutions into `folder`; returns the path of the zip.

    Chapters lie in it as in `book/`. The same chapters give the same bytes. What lies there from before stays.
    """
    import nbformat

    written = {}
    for path in chapters(root):
        page = without_solutions(nbformat.read(path, 4))
        nbformat.validate(page)
        written[path.relative_to(root / "book")] = (nbformat.writes(page) + "\n").encode()
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, text)
    archive = folder.with_name(f"{folder.name}.zip")
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for name, text in written.items():
            # a date of its own would make every archive another
            file.writestr(ZipInfo((Path(folder.name) / name).as_posix()), text, ZIP_DEFLATED)
    return archive


if __name__ == "__main__":
    checkout = find_root(Path.cwd())
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else checkout / "build" / "student"
    print(write_student_version(checkout, target))
