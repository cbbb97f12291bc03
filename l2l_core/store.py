"""Files that are whole or absent: checkpoints and results are written aside, then renamed into place."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def sweep(path: Path) -> None:
    """Remove what processes that were killed while writing `path` left beside it; nobody may be writing it now."""
    for aside in path.parent.glob(f".{path.name}.*"):
        aside.unlink()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Within, no other process may hold `folder`; a process that ends lets go of it, however it ends.

    Raises ValueError where another holds it. Systems and disks that know no locks are trusted.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"another process is at work in {folder}; wait for it, or use another `out`") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        yield


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises ValueError, naming the file, if it is truncated or no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is truncated or not JSON ({error}); delete it to make it again") from error


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and a JSON-able dictionary to one safetensors file, atomically."""
    # cloned: tensors of one tree may share memory, which the format does not know
    whole = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    write_atomically(path, save(whole, {"facts": json.dumps(facts)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The inverse of `save_tensors`. Raises ValueError if the file is truncated or is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is truncated or not a checkpoint ({error}); delete it to start again") from error


def check_same(path: Path, facts: dict[str, Any], **settings: Any) -> None:
    """Raise ValueError unless what is stored in `path` was made with these settings, or before they were recorded."""
    for key, value in settings.items():
        if facts.get(key, value) != value:
            what = f"{key} {facts[key]!r}, not {value!r}"
            raise ValueError(f"{path} belongs to another run: {what}. Use another `out`, or delete it.")


def strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
