"""What a page took to run, and what it read instead of computing: `results/pages.json`.

One entry a chapter: `seconds` of the processor, `peak_mb` of memory, `gpu` (whether the run used one), the names of the
trials (`results`) and trained rules (`rules`) whose files it opened, and `versions`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from l2l_core.store import read_json, write_json

WATCH = (
    "import sys; _opened = set(); sys.addaudithook(lambda event, given: event == 'open' and _opened.add(str(given[0])))"
)
"""Run in a page's kernel before its first cell: notes every file that is opened."""

PROBE = """\
import json, platform, resource, sys
from importlib.metadata import version
own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
peak = own.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
versions = {name: version(name) for name in ("torch", "numpy", "matplotlib")}
print(json.dumps({
    "seconds": own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime,
    "peak_mb": peak,
    "gpu": "torch" in sys.modules and sys.modules["torch"].cuda.is_initialized(),
    "opened": sorted(_opened),
    "versions": {"python": platform.python_version(), **versions},
}))"""
"""What is asked of a page's kernel at its end."""

SLACK = {"seconds": 0.4, "peak_mb": 0.15}
"""How far apart, relative to the stored one, two measurements of the same page on equal machines may lie."""


def measured(answer: str) -> dict[str, Any]:
    """A page's entry, from what `PROBE` printed: rounded, and with names in place of paths."""
    said = json.loads(answer)
    opened = said.pop("opened")
    said["seconds"] = max(1, round(said["seconds"]))
    said["peak_mb"] = round(said["peak_mb"] / 10) * 10
    return {**said, "results": _named(opened, "results"), "rules": _named(opened, "zoo")}


def _named(opened: Iterable[str], folder: str) -> list[str]:
    """The trials, or the trained rules, whose files are among `opened`."""
    places = [path.parts[i + 1 :] for path in map(Path, opened) for i, part in enumerate(path.parts) if part == folder]
    if folder == "results":
        return sorted({place[0] for place in places if len(place) == 2})
    return sorted({Path(place[0]).stem for place in places if place and place[0].endswith(".safetensors")})


def settled(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """The entry to store: `old`, where `new` differs from it by no more than chance and a busy machine explain."""
    if old is None or any(old.get(key) != new[key] for key in new if key not in SLACK):
        return new
    near = all(abs(new[key] - old[key]) <= max(1, share * old[key]) for key, share in SLACK.items())
    return old if near else new


def record(root: Path, page: Path, cost: dict[str, Any]) -> None:
    """Store the cost of `page` in the `results/pages.json` of the checkout `root`; pages that are gone are dropped."""
    table = root / "results" / "pages.json"
    pages = read_json(table) if table.exists() else {}
    name = page.resolve().relative_to(root).as_posix()
    pages[name] = settled(pages.get(name), cost)
    write_json(table, {name: pages[name] for name in sorted(pages) if (root / name).exists()})


def summary(cost: dict[str, Any]) -> Iterator[str]:
    """What a reader wants to know before running a page, in a few phrases."""
    yield "runs on a GPU" if cost["gpu"] else "needs no GPU"
    seconds = cost["seconds"]
    yield f"{seconds} seconds on one core" if seconds < 60 else f"{seconds / 60:.1f} minutes on one core"
    yield f"{cost['peak_mb'] / 1000:.1f} GB of memory"
    parts = [(cost["rules"], "trained rule"), (cost["results"], "stored result")]
    read = [f"{len(names)} {what}{'s' * (len(names) > 1)}" for names, what in parts if names]
    yield f"reads {' and '.join(read)}" if read else "computes everything as you watch"
