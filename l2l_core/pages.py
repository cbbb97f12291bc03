"""The book's pages: the set-up cell they share, and running them.

`python -m l2l_core.pages [PATH ...]` writes the set-up cell into every chapter (or those named), runs it at
book scale and stores its outputs in place.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from l2l_core.headline import write_headline
from l2l_core.store import read_json, write_atomically, write_json

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

PROBE = """\
import json, platform, resource, sys
from importlib.metadata import version
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
versions = {name: version(name) for name in ("torch", "numpy", "matplotlib")}
print(json.dumps({"peak_mb": round(peak), "versions": {"python": platform.python_version(), **versions}}))"""
"""What is asked of a page's kernel at its end."""


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
        _record(find_root(path), path, cost)
        print(f"{cost['seconds']} s, {cost['peak_mb']} MB")


def _run(page: Any, path: Path) -> dict[str, Any]:
    """Execute `page` where it lies, with a probe as its last cell."""
    probe = _need("nbformat").v4.new_code_cell(PROBE)
    page.cells.append(probe)
    settings = {"timeout": 600, "kernel_name": "python3", "record_timing": False, "extra_arguments": ["--log-level=40"]}
    client = _need("nbclient").NotebookClient(page, resources={"metadata": {"path": path.resolve().parent}}, **settings)
    started = time.perf_counter()
    client.execute(env={**os.environ, "L2L_STATIC": "1", "OMP_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    seconds = round(time.perf_counter() - started, 1)
    page.cells.remove(probe)
    return {"seconds": seconds, **json.loads(probe.outputs[0].text)}


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


def _record(root: Path, path: Path, cost: dict[str, Any]) -> None:
    table = root / "results" / "pages.json"
    pages = read_json(table) if table.exists() else {}
    pages[path.resolve().relative_to(root).as_posix()] = cost
    write_json(table, dict(sorted(pages.items())))


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
    book = find_root(Path.cwd())
    named = [Path(p) for p in sys.argv[1:]] or chapters(book)
    write_setup_cells(named)
    execute(named)
    write_headline(book / "book" / "_static" / "headline.svg")
