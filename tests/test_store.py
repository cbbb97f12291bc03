"""Files that are whole or absent."""

import contextlib
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conformance import assert_same
from safetensors.torch import save_file

from l2l_core import store
from l2l_core.store import load_tensors, read_json, save_tensors, strip, sweep, write_atomically, write_json

TENSORS = {
    "number": torch.tensor(1.5, dtype=torch.float64),
    "nothing": torch.zeros(0, 3),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "transposed": torch.arange(6.0).view(2, 3).T,
    "wanting a gradient": torch.ones(2, requires_grad=True),
}


def test_what_is_saved_is_loaded_to_the_bit(tmp_path):
    facts = {"π": 3.141592653589793, "none": None, "list": [1, "two"], "inf": float("inf")}
    save_tensors(tmp_path / "new" / "file", TENSORS, facts)
    tensors, found = load_tensors(tmp_path / "new" / "file")
    assert found == facts
    assert set(tensors) == set(TENSORS)
    assert_same({name: tensors[name] for name in TENSORS}, {name: t.detach() for name, t in TENSORS.items()})


def test_tensors_that_share_memory_are_saved_apart(tmp_path):
    whole = torch.arange(6.0)
    shared = {"a": whole, "b": whole[2:], "c": whole[:1].expand(4)}
    save_tensors(tmp_path / "file", shared, {})
    assert_same(load_tensors(tmp_path / "file")[0], shared)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(_):
        raise OSError("no space left")

    monkeypatch.setattr(store.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_reads_the_old_file_while_a_new_one_is_written_reads_it_to_its_end(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"the old one")
    with path.open("rb", buffering=0) as reader:
        begun = reader.read(4)
        write_atomically(path, b"new")
        assert begun + reader.read() == b"the old one"
    assert path.read_bytes() == b"new"


def test_sweeping_removes_what_killed_writers_of_one_file_left(tmp_path):
    for name in (".file.12", ".file.3456", ".other.12", "file"):
        (tmp_path / name).touch()
    sweep(tmp_path / "file")
    sweep(tmp_path / "nowhere" / "file")
    assert {path.name for path in tmp_path.iterdir()} == {".other.12", "file"}


HOLDER = """
import sys, time
from pathlib import Path
from l2l_core.store import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_holds_a_folder_until_it_ends_however_it_ends(tmp_path):
    pytest.importorskip("fcntl")
    env = {**os.environ, "PYTHONPATH": str(Path(store.__file__).parents[1])}
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as other:
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(ValueError, match=r"another process is at work in .*; wait for it"):
                store.held(tmp_path).__enter__()
            with store.held(tmp_path / "beside"):
                pass
        finally:
            other.kill()
    for _ in range(2):
        with store.held(tmp_path):
            pass


@pytest.mark.parametrize(
    ("number", "entered"), [(errno.ENOLCK, 2), (errno.ENOTSUP, 2), (errno.ENOSYS, 2), (errno.EIO, 0)]
)
def test_a_disk_without_locks_lets_everybody_in_and_a_broken_one_nobody(number, entered, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_):
        raise OSError(number, "no lock")

    monkeypatch.setattr(fcntl, "flock", refuse)
    inside = []
    with contextlib.suppress(OSError), store.held(tmp_path):
        inside.append("one")
        with store.held(tmp_path):
            inside.append("another")
    assert len(inside) == entered


def test_json_is_readable_and_ends_in_a_newline(tmp_path):
    write_json(tmp_path / "x.json", {"θ": [1, 2]})
    text = (tmp_path / "x.json").read_text()
    assert "θ" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"θ": [1, 2]}


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 1000])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"is truncated or not a checkpoint .* delete it to start again"):
        load_tensors(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b'{"a": [1,', b"\xff\xfe\x00", '{"θ": 1}'.encode()[:3]])
def test_json_that_was_cut_off_is_refused_by_name(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json is truncated or not JSON"):
        read_json(tmp_path / "x.json")


def test_tensors_without_facts_are_refused(tmp_path):
    save_file({"x": torch.ones(1)}, tmp_path / "file")
    with pytest.raises(ValueError, match="not a checkpoint"):
        load_tensors(tmp_path / "file")


def test_stripping_a_prefix_keeps_what_has_it():
    assert strip({"a.b": 1, "a.c": 2, "ab": 3}, "a.") == {"b": 1, "c": 2}
