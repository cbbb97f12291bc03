"""What the tests of pages share: the list of chapters, and the wheel as a reader would install it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from l2l_core.pages import chapters

ROOT = Path(__file__).parents[2]
CHAPTERS = chapters(ROOT)


def pytest_generate_tests(metafunc):
    """A test that asks for `chapter` runs once for each."""
    if "chapter" in metafunc.fixturenames:
        names = [path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in CHAPTERS]
        metafunc.parametrize("chapter", CHAPTERS, ids=names)


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The package's wheel, built from a copy of the sources so that nothing stale gets in."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "l2l_core", source / "l2l_core", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    if (ROOT / "results").exists():
        shutil.copytree(ROOT / "results", source / "results")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # setuptools stands in this environment already; without isolation the build asks no index for it
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("l2l_core-*.whl")
    return built


@pytest.fixture
def first_chapter():
    """One chapter, for tests of what does not depend on the chapter: the quadratics, which train live."""
    found = [path for path in CHAPTERS if path.stem == "quadratic"]
    assert found, "book/experiments/quadratic.ipynb is gone"
    return found[0]


@pytest.fixture
def sliding_chapter():
    """The chapter with sliders: why learn an optimizer."""
    (found,) = (path for path in CHAPTERS if path.stem == "why")
    return found
