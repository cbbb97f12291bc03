"""What travels inside the wheel: all that a page reads, and nothing else."""

from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def files(wheel):
    return ZipFile(wheel).namelist()


def packaged(root, pattern):
    """The files of the checkout's `l2l_core` that match, by the names they must have in the wheel."""
    return {path.relative_to(root).as_posix() for path in (root / "l2l_core").glob(pattern)}


def test_every_module_is_packaged(files, root):
    modules = packaged(root, "**/*.py")
    assert {"l2l_core/rules/lstm.py", "l2l_core/tasks/quadratic.py"} <= modules
    assert modules <= set(files)


def test_weights_and_their_cards_are_packaged(files, root):
    weights = packaged(root, "zoo/*.safetensors")
    assert weights, "no trained weights in l2l_core/zoo"
    cards = {name.replace(".safetensors", ".json") for name in weights}
    assert weights | cards <= set(files)


def test_results_and_claims_are_packaged(files, root):
    results = {f"l2l_core/{path.relative_to(root).as_posix()}" for path in (root / "results").rglob("*.json")}
    assert results, "nothing in results/"
    assert results | {"l2l_core/claims.yml"} <= set(files)


def test_neither_tests_nor_data_nor_pages_are_packaged(files):
    outside = [name for name in files if not name.startswith(("l2l_core/", "l2l_core-"))]
    assert outside == []
    endings = {name.rpartition(".")[2] for name in files if name.startswith("l2l_core/")}
    assert endings <= {"py", "c", "json", "yml", "safetensors"}


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size < 5_000_000
