"""Results: a small JSON file a machine, and lines for people."""

import os
import platform
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from re import sub
from statistics import median
from typing import Any

from benchmarks.race import cores
from benchmarks.sides import NEEDS, available

LIBRARIES = ("torch", "numpy", "jax")
TUNABLES = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")
"""What may change the memory allocator of every side."""


def cpu() -> str:
    """What this machine's processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def code() -> str:
    """What was measured: a digest of the package's own sources."""
    package = Path(__file__).parents[1] / "l2l_core"
    sources = [path for kind in ("*.py", "*.c") for path in sorted(package.rglob(kind))]
    return sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def file_name() -> str:
    """The processor's name as a file's."""
    return sub(r"[^a-z0-9]+", "-", sub(r"\((r|tm)\)|@.*", "", cpu().lower())).strip("-") + ".json"


def header(rounds: int, seconds: float) -> dict[str, Any]:
    """Where and how everything was measured."""
    from l2l_core.data import mnist

    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return {
        "cpu": cpu(),
        "code": code(),
        "cores": len(cores()),
        "versions": versions,
        "allocator": {name: os.environ[name] for name in TUNABLES if name in os.environ},
        "images": mnist("train").source,
        "left_out": [side for side in NEEDS if not available(side)],
        "rounds": rounds,
        "seconds": seconds,
    }


def lines(item: dict[str, Any]) -> list[str]:
    """One measured item, for people."""
    if item["kind"] == "roofline":
        rates, train, evaluate = item["rates"], item["fastest"]["train"], item["fastest"]["evaluate"]
        gemm = ", ".join(f"{name} {r / 1e9:.0f}" for name, r in rates["gemm"].items())
        return [
            f"roofline, {_threads(item)}: GFLOP/s {gemm}; Gcalls/s sigmoid {rates['sigmoid'] / 1e9:.2f}, tanh "
            f"{rates['tanh'] / 1e9:.2f}; GB/s cache {rates['cache'] / 1e9:.0f}, memory {rates['memory'] / 1e9:.0f}; "
            f"dispatch {1e6 * rates['dispatch']:.1f} µs",
            f"  for {item['workload']}: {train:.0f} steps/s in training, {evaluate:.0f} in evaluation",
        ]
    if item["kind"] == "anatomy":
        said = [f"{item['workload']} train, ms a step"]
        for side, phases in item["sides"].items():
            said.append(f"  {side:8} " + ", ".join(f"{phase} {1e3 * s:.3g}" for phase, s in phases.items()))
        return said
    what = item["workload"] if item["kind"] == "race" else f"{item['curve']} {item['size']:,}"
    said = [f"{what} {item['mode']}, {_threads(item)}"]
    for side, found in item["sides"].items():
        line = f"  {side:6} {median(found['speed']):10.4g} steps/s {found['peak_mb']:7} MB"
        for mine in ("ours", "compiled"):
            if ratio := found.get(f"{mine}_is_faster"):
                line += f"   {mine} is {median(ratio):.3g}× as fast ({min(ratio):.3g}–{max(ratio):.3g})"
        if "of_floor" in found:
            line += f"   {100 * found['of_floor']:.0f} % of the roofline"
        said.append(line)
    return said


def with_floor(items: list[dict[str, Any]]) -> None:
    """Tell every race of the roofline's workload which fraction of the roofline each side reached."""
    for roof in (item for item in items if item["kind"] == "roofline"):
        for item in items:
            if item["kind"] == "race" and all(item[key] == roof[key] for key in ("workload", "threads")):
                for found in item["sides"].values():
                    found["of_floor"] = float(f"{median(found['speed']) / roof['fastest'][item['mode']]:.3g}")


def _threads(item: dict[str, Any]) -> str:
    return f"{item['threads']} thread{'s' * (item['threads'] > 1)}"
