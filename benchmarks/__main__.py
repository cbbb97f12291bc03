"""`python -m benchmarks`: measure, print, and store as JSON."""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from benchmarks import __doc__ as about
from benchmarks.plan import ALL, Plan, Settings
from benchmarks.race import cores
from benchmarks.report import file_name, header, lines, with_floor
from benchmarks.sides import NEEDS, available
from benchmarks.workloads import MODES
from l2l_core.store import read_json, write_json


def parse(args: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=about, formatter_class=shape)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"any of {', '.join(ALL)} (default: all)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, help="default: all")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads a side (default: 1 2)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every side (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a turn takes (default: 1)")
    parser.add_argument("--memory", type=float, default=6.0, help="GB before which a side leaves a curve (default: 6)")
    parser.add_argument(
        "--out", type=Path, help="the file (default: in results/benchmarks, a part: in runs/benchmarks)"
    )
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, one short round: does everything run?")
    found = parser.parse_args(args)
    if unknown := [name for name in found.what if name not in ALL]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    return found


def before(out: Path, now: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of an earlier, broken-off run. Raises SystemExit for one on another machine or by other settings."""
    found = read_json(out)
    changed = [name for name in now if name != "items" and found.get(name) != now[name]]
    if changed:
        raise SystemExit(f"{out} was measured under another {', '.join(changed)}; delete it, or give another --out")
    return found["items"]


def main(args: list[str] | None = None) -> dict[str, Any]:
    """Measure what the command line asks for; returns what is stored."""
    asked = parse(args)
    names = tuple(name for name in ALL if name in asked.what) or ALL
    if asked.smoke:
        asked.rounds, asked.seconds = 1, 0.0
    whole = names == ALL and set(asked.modes) == set(MODES) and not asked.smoke
    out = asked.out or Path("results" if whole else "runs") / "benchmarks" / file_name()
    threads = tuple(t for t in asked.threads if t <= len(cores()))
    for side in NEEDS:
        if not available(side):
            print(f"{side} is left out: {NEEDS[side]} cannot be imported (pip install {NEEDS[side]})", file=sys.stderr)
    if missing := sorted(set(asked.threads) - set(threads)):
        print(f"{len(cores())} core(s) here: nothing is run with {missing} threads", file=sys.stderr)
    settings = Settings(asked.rounds, threads, tuple(asked.modes), asked.seconds, 1e9 * asked.memory, asked.smoke)
    # aside, and of another kind than results: those of before stay until these are complete
    unfinished = out.with_suffix(".part")
    stored = header(asked.rounds, asked.seconds) | {"memory": asked.memory, "smoke": asked.smoke, "items": []}
    known = before(unfinished, stored) if unfinished.exists() else []
    with TemporaryDirectory() as folder:
        plan = Plan(names, settings, Path(folder), known)
        with tqdm(plan.run(), desc="benchmarks", unit=" items", disable=os.environ.get("L2L_STATIC") == "1") as bar:
            for item in bar:
                stored["items"].append(item)
                # what is measured is kept, whatever becomes of the rest
                others = [k for k in known if k not in stored["items"]]
                write_json(unfinished, stored | {"items": [*stored["items"], *others]})
                bar.write("\n".join(lines(item)), file=sys.stdout)
    with_floor(stored["items"])
    write_json(out, stored)
    unfinished.unlink(missing_ok=True)
    print(f"Stored in {out}")
    return stored


if __name__ == "__main__":
    main()
