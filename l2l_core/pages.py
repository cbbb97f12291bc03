"""The book's pages: the set-up cell they share, and running them.

`python -m l2l_core.pages [PATH ...]` writes the set-up cell into every chapter (or those named), runs it at
book scale and stores its outputs in place; `--measure` runs them and stores their cost alone; `--address URL BRANCH`
moves the book to another repository: its configuration and all set-up cells, nothing is run.
"""

import argparse
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from l2l_core.headline import write_headline
from l2l_core.page_cost import PROBE, WATCH, measured, record
from l2l_core.store import write_atomically

SETUP = """\
# @title Set-up: installs the book's package where it is missing, as on Colab
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("l2l_core") is None:
    address = "l2l-core[book] @ git+{url}@{branch}"
    package = os.environ.get("L2L_CORE_SPEC", address)
    command = [sys.executable, "-m", "pip", "install", "-q", package]
    subprocess.run(command, check=True)"""
"""The first code cell of every chapter; the address and branch come from `_config.yml`."""

ADDRESS = re.compile(r"^repository: \{url: (?P<url>[^,}\s]+), branch: (?P<branch>[^,}\s]+)", re.MULTILINE)
"""Where `_config.yml` says the book lives."""


def chapters(root: Path) -> list[Path]:
    """All chapters under `root`."""
    return sorted(p for p in (root / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def find_root(start: Path) -> Path:
    """The repository that `start` lies in: the nearest folder above with a `_config.yml`."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "_config.yml").exists():
            return folder
    raise FileNotFoundError(f"no _config.yml in {start} or above it: pages belong to a checkout of the book")


def setup_cell(root: Path) -> str:
    """The text of the set-up cell, with the repository's address."""
    repository = _need("yaml").safe_load((root / "_config.yml").read_text())["repository"]
    return SETUP.format(url=repository["url"], branch=repository["branch"])


def write_setup_cells(paths: Iterable[str | Path]) -> None:
    """Make the set-up cell each chapter's first code cell, and fold it and every solution."""
    nbformat = _need("nbformat")
    for path in map(Path, paths):
        page = nbformat.read(path, 4)
        page.cells = [c for c in page.cells if "setup" not in _tags(c)]
        first = next((i for i, c in enumerate(page.cells) if c.cell_type == "code"), len(page.cells))
        cell = nbformat.v4.new_code_cell(setup_cell(find_root(path)), id="setup", execution_count=1)
        cell.metadata.tags = ["setup"]
        page.cells.insert(first, cell)
        for cell in page.cells:
            if {"setup", "solution"} & set(_tags(cell)):
                _fold(cell)
        _write(path, page)


def execute(paths: Iterable[str | Path]) -> None:
    """Run chapters at book scale, store their outputs in place, and their cost in `results/pages.json`.

    Raises nbclient's CellExecutionError where a cell fails, RuntimeError where one writes to stderr; the page
    then stays as it was.
    """
    for path in map(Path, paths):
        print(f"{path} ...", end=" ", flush=True)
        page = _need("nbformat").read(path, 4)
        cost = _run(page, path)
        _tidy(page, path)
        _write(path, page)
        record(find_root(path), path, cost)
        print(f"{cost['seconds']} s, {cost['peak_mb']} MB")


def measure(paths: Iterable[str | Path]) -> None:
    """Run chapters at book scale and store their cost in `results/pages.json`; the pages stay as they are."""
    for path in map(Path, paths):
        cost = _run(_need("nbformat").read(path, 4), path)
        record(find_root(path), path, cost)
        print(f"{path}: {cost['seconds']} s, {cost['peak_mb']} MB", flush=True)


def move(root: Path, url: str, branch: str) -> None:
    """Write another address into the book at `root`: its configuration and every set-up cell.

    Raises ValueError where `_config.yml` names no repository on one line, or the address is not a URL without spaces.
    """
    if not re.fullmatch(r"https://[^\s,{}]+", url) or not re.fullmatch(r"[^\s,{}]+", branch):
        raise ValueError(f"{url!r} and {branch!r} are no address and branch")
    file = root / "_config.yml"
    text, found = ADDRESS.subn(lambda _: f"repository: {{url: {url}, branch: {branch}", file.read_text())
    if found != 1:
        raise ValueError(f"{file} should name the repository once, as `repository: {{url: …, branch: …`")
    write_atomically(file, text.encode())
    write_setup_cells(chapters(root))


def _run(page: Any, path: Path) -> dict[str, Any]:
    """Execute `page` where it lies, watched, with a probe as its last cell; returns its cost."""
    probe = _need("nbformat").v4.new_code_cell(PROBE)
    page.cells.append(probe)
    arguments = ["--log-level=40", f"--IPKernelApp.exec_lines={WATCH}"]
    settings = {"timeout": 600, "kernel_name": "python3", "record_timing": False, "extra_arguments": arguments}
    client = _need("nbclient").NotebookClient(page, resources={"metadata": {"path": path.resolve().parent}}, **settings)
    client.execute(env={**os.environ, "L2L_STATIC": "1", "OMP_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    page.cells.remove(probe)
    return measured(probe.outputs[0].text)


def _tidy(page: Any, path: Path) -> None:
    """Drop what differs from run to run, and refuse what readers should not see."""
    page.metadata.pop("widgets", None)
    page.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    page.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(page.cells):
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)  # its id is random
            if output.get("name") == "stderr":
                raise RuntimeError(f"{path}, cell {number} writes to stderr: {output.text.strip()[:500]}")


def _fold(cell: Any) -> None:
    """Closed at first sight in the book, in Colab and in JupyterLab."""
    cell.metadata.tags = sorted({*_tags(cell), "hide-cell"})
    cell.metadata.update(cellView="form", jupyter={"source_hidden": True})


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _write(path: Path, page: Any) -> None:
    _need("nbformat").validate(page)
    write_atomically(path, (_need("nbformat").writes(page) + "\n").encode())


def _need(module: str) -> Any:
    """A module that only the book's tools use."""
    try:
        return __import__(module)
    except ImportError as error:
        message = f"running pages needs {module}: `pip install -r requirements.txt` in a checkout of the book"
        raise ImportError(message) from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m l2l_core.pages", description="run the book's pages")
    parser.add_argument("paths", nargs="*", type=Path, help="chapters; all of them where none is named")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--measure", action="store_true", help="store what they cost, and leave them as they are")
    other.add_argument("--address", nargs=2, metavar=("URL", "BRANCH"), help="move the book; nothing is run")
    asked = parser.parse_args()
    book = find_root(Path.cwd())
    named = asked.paths or chapters(book)
    if asked.address:
        move(book, *asked.address)
    elif asked.measure:
        measure(named)
    else:
        write_setup_cells(named)
        execute(named)
        write_headline(book / "book" / "_static" / "headline.svg")
