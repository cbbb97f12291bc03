"""The same as `lstm_blocks` by a C kernel that is built at run time, where there is a C compiler.

Nothing needs it; it is faster, and paper-scale runs ask for it: `with kernel.enabled(): …`, which serves a
`RuleOptimizer` as well. It agrees with PyTorch up to rounding, not to the bit.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from l2l_core.arithmetic import denormals_live

SOURCE = Path(__file__).with_name("lstm_kernel.c")
FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-std=gnu11"]
if platform.machine() in ("x86_64", "AMD64"):
    FLAGS.append("-mprefer-vector-width=512")
MOST_UNITS = 64
"""Wider cells are left to PyTorch: a thread keeps a tile of activations, and their products are efficient anyway."""

_REAL = {torch.float32: "float", torch.float64: "double"}
_enabled = False


@contextmanager
def enabled(use: bool = True) -> Iterator[None]:
    """Within, LSTM rules on a CPU use the kernel, or do not; where it cannot be built, that is said once."""
    global _enabled
    before, _enabled = _enabled, use
    try:
        yield
    finally:
        _enabled = before


def kernel_for(x: Tensor, hidden: int, layers: int) -> "Kernel | None":
    """The kernel that serves features `x` `[…, f]` and cells of `hidden` units, or None: PyTorch then does."""
    if not _enabled or x.device.type != "cpu" or x.dtype not in _REAL or hidden > MOST_UNITS:
        return None
    return _kernel(x.dtype, hidden, layers, x.shape[-1])


class Kernel:
    """Both directions for one dtype, number of units, of layers and of features."""

    def __init__(self, library: ctypes.CDLL):
        self.library, self.columns = library, library.padded_columns()
        library.step.argtypes = [ctypes.c_long] * 3 + [ctypes.c_void_p] * 8
        library.pullback.argtypes = [ctypes.c_long] * 4 + [ctypes.c_void_p] * 9
        library.step.restype = library.pullback.restype = None

    def step(
        self, layers: list[Tensor], readout: Tensor, x: Tensor, h: list[Tensor], c: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """As `lstm_blocks.lstm_step`: the read-out and the new h and c."""
        n, update = len(x), x.new_empty(len(x))
        x, h, c = x.contiguous(), [s.contiguous() for s in h], [s.contiguous() for s in c]
        after_h, after_c = [torch.empty_like(s) for s in h], [torch.empty_like(s) for s in c]
        given = _address(x), _addresses(layers), _address(readout), _addresses(h), _addresses(c)
        made = _addresses(after_h), _addresses(after_c), _address(update)
        _share_out(n, lambda start, stop: self.library.step(n, start, stop, *given, *made))
        return update, after_h, after_c

    def pullback(
        self, layers: list[Tensor], readout: Tensor, x: Tensor, h: list[list[Tensor]], c: list[list[Tensor]], up: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """As `lstm_blocks.lstm_pullback`; `h[t]` and `c[t]` are those before step t."""
        (steps, n, _), x, up = x.shape, x.contiguous(), up.contiguous()
        flat = [[s.contiguous() for memory in part for s in memory] for part in (h, c)]
        transposed = [
            torch.nn.functional.pad(w[:, :-1].T, (0, 0, 0, -(w.shape[1] - 1) % 4)).contiguous() for w in layers
        ]
        given = (_address(x), _addresses(layers), _addresses(transposed), _address(readout))
        given = (*given, *map(_addresses, flat), _address(up))

        def share(start: int, stop: int) -> tuple[Tensor, Tensor]:
            d_layers = x.new_zeros(len(layers), len(layers[0]), self.columns)
            d_readout = torch.zeros_like(readout)
            self.library.pullback(steps, n, start, stop, *given, _address(d_layers), _address(d_readout))
            return d_layers, d_readout

        d_layers, d_readout = (sum(parts) for parts in zip(*_share_out(n, share), strict=True))
        return [d[:, : w.shape[1]] for d, w in zip(d_layers, layers, strict=True)], d_readout


@cache
def _kernel(dtype: torch.dtype, hidden: int, layers: int, features: int) -> Kernel | None:
    """Built the first time that a machine asks for it, with the compiler `$CC` or `cc`."""
    sizes = {"REAL": _REAL[dtype], "H": hidden, "LAYERS": layers, "F": features}
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, *FLAGS, "-shared", "-fPIC", *(f"-D{k}={v}" for k, v in sizes.items())]
    try:
        return Kernel(_library(command, _cache() / f"lstm-{_fingerprint(command)}.so"))
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:  # RuntimeError: there is no home
        reason = getattr(error, "stderr", None) or error
        print(f"No LSTM kernel, PyTorch alone is slower but does the same: {reason}", file=sys.stderr)
        return None


def _library(command: list[str], file: Path) -> ctypes.CDLL:
    if file.exists():
        try:
            return ctypes.CDLL(str(file))
        except OSError:  # cut off, or of another system that shares this home
            pass
    _build(command, file)
    return ctypes.CDLL(str(file))


def _build(command: list[str], file: Path) -> None:
    began = time.perf_counter()
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent) as aside:  # several may build at once; a rename is atomic
        made = Path(aside) / file.name
        subprocess.run([*command, str(SOURCE), "-o", str(made), "-lm"], capture_output=True, text=True, check=True)
        os.replace(made, file)
    print(f"LSTM kernel built in {time.perf_counter() - began:.1f} s.", file=sys.stderr)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l2l" / "kernels"


def _fingerprint(command: list[str]) -> str:
    """Of all that decides the machine code: source, command, and the processor that is `native`."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    processor = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return hashlib.sha256("\0".join([SOURCE.read_text(), *command, processor]).encode()).hexdigest()[:16]


def _share_out(n: int, work: Callable[[int, int], Any]) -> list[Any]:
    """work(start, stop) for each of PyTorch's threads; the C code runs without Python's lock."""
    threads = torch.get_num_threads() if n > 4096 else 1
    ends = [n * k // threads for k in range(threads + 1)]
    flush = threads > 1 and not denormals_live()

    def elsewhere(start: int, stop: int) -> Any:
        torch.set_flush_denormal(flush)  # a thread's own affair, and the pool's are older than the caller's setting
        return work(start, stop)

    # the caller takes a share: the core that it runs on is awake
    others = [_pool(threads).submit(elsewhere, *share) for share in pairwise(ends[1:])]
    return [work(0, ends[1]), *(other.result() for other in others)]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay with the parent


def _address(t: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def _addresses(tensors: list[Tensor]) -> ctypes.Array:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
