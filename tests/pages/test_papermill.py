"""Each chapter, alone in an empty folder, with only the package installed from its wheel: as Colab would see it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import papermill
import pytest

COLAB = ["ipykernel==6.17.1", "ipywidgets==7.7.1", "ipython==7.34.0", "matplotlib==3.10.0", "numpy==2.1.3"]
"""What Colab has, from its own list of August 2026; its torch (2.11) is not put in place here."""


@pytest.fixture(scope="session")
def reader(wheel, tmp_path_factory):
    """A kernel whose `l2l_core` is the wheel's and whose other packages are this environment's."""
    return kernel(tmp_path_factory.mktemp("reader"), wheel, [])


@pytest.fixture(scope="session")
def colab(wheel, tmp_path_factory):
    """The same with Colab's own versions of what draws and shows."""
    folder = tmp_path_factory.mktemp("colab")
    jupyter = kernel(folder, wheel, COLAB)
    versions = "from importlib.metadata import version; print(*(f'{{n}}=={{version(n)}}' for n in {}))"
    names = [package.partition("==")[0] for package in COLAB]
    assert ask(folder / "venv" / "bin" / "python", versions.format(names)).split() == COLAB
    return jupyter


def kernel(folder, wheel, packages):
    """Make an environment and the kernel specification that leads to it; returns Jupyter's path to the latter."""
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    site = Path(ask(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    install(site, ["--no-deps", str(wheel)])
    if packages:
        try:
            install(site, ["--only-binary", ":all:", *packages])
        except subprocess.CalledProcessError as error:
            pytest.skip(f"Colab's versions cannot be installed here: {error.stderr.strip()[-300:]}")
    # last on the path, and not as a folder of .pth files: an editable install behind it stays unseen
    (site / "zz_rest.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert Path(ask(python, "import l2l_core; print(l2l_core.__file__)")).is_relative_to(site)
    spec = folder / "jupyter" / "kernels" / "page" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "page", "language": "python"}))
    return folder / "jupyter"


def install(site, what):
    """Put packages into a folder, with uv where there is one."""
    uv = Path(sys.executable).with_name("uv")
    tool = (
        [str(uv), "pip", "install", "-p", sys.executable] if uv.exists() else [sys.executable, "-m", "pip", "install"]
    )
    subprocess.run([*tool, "-q", "--target", str(site), *what], check=True, capture_output=True, text=True)


def ask(python, question):
    """What `python` prints; it starts in the root folder, so that no checkout is on its path."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-c", question], cwd="/", env=bare, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def run(chapter, folder, jupyter, monkeypatch, static=True):
    """Run a chapter at smoke scale and return it executed; it must not write to stderr."""
    monkeypatch.setenv("JUPYTER_PATH", str(jupyter))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if static:
        monkeypatch.setenv("L2L_STATIC", "1")
    else:
        monkeypatch.delenv("L2L_STATIC", raising=False)
    alone = folder / "page"
    alone.mkdir()
    page = shutil.copy(chapter, alone)
    assert set(papermill.inspect_notebook(page)) == {"scale", "seed", "device", "out"}
    settings = {"kernel_name": "page", "cwd": alone, "progress_bar": False, "execution_timeout": 300}
    return papermill.execute_notebook(page, folder / "executed.ipynb", {"scale": "smoke"}, **settings)


def streams(page, name):
    """What the page's cells wrote to stdout or stderr."""
    found = [o.text for cell in page.cells for o in cell.get("outputs", []) if o.get("name") == name]
    return "".join(found)


def widgets(page):
    """How many widgets the page shows."""
    shown = [o.get("data", {}) for cell in page.cells for o in cell.get("outputs", [])]
    return sum("application/vnd.jupyter.widget-view+json" in data for data in shown)


def test_chapter_runs_alone_at_smoke_scale(chapter, reader, tmp_path, monkeypatch):
    page = run(chapter, tmp_path, reader, monkeypatch)
    assert streams(page, "stderr") == ""
    assert widgets(page) == 0
    assert all(cell.execution_count for cell in page.cells if cell.cell_type == "code")


def test_a_chapter_runs_for_a_live_reader(first_chapter, reader, tmp_path, monkeypatch):
    page = run(first_chapter, tmp_path, reader, monkeypatch, static=False)
    assert all(cell.execution_count for cell in page.cells if cell.cell_type == "code")


def test_the_sliders_show_for_a_live_reader(sliding_chapter, reader, tmp_path, monkeypatch):
    page = run(sliding_chapter, tmp_path, reader, monkeypatch, static=False)
    assert streams(page, "stderr") == ""
    assert widgets(page) == 2


def test_a_chapter_runs_with_colabs_versions(first_chapter, colab, tmp_path, monkeypatch):
    page = run(first_chapter, tmp_path, colab, monkeypatch)
    assert streams(page, "stderr") == ""
    assert all(cell.execution_count for cell in page.cells if cell.cell_type == "code")
