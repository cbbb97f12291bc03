"""What pages cost: noted from what they do, stored without churn, told in words."""

import json
import os
import subprocess
import sys

import pytest

from l2l_core.page_cost import PROBE, WATCH, measured, record, settled, summary
from l2l_core.store import read_json

COST = {"seconds": 20, "peak_mb": 1000, "gpu": False, "versions": {"torch": "2"}, "results": ["mnist"], "rules": []}


def test_a_run_is_timed_and_its_files_are_noted(tmp_path):
    for name in ("results/mnist/metrics.json", "zoo/a-lstm.safetensors", "zoo/a-lstm.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    work = (
        f"[open(f'{tmp_path}/{{name}}').close() for name in ('results/mnist/metrics.json', 'zoo/a-lstm.safetensors')]"
    )
    spin = "import time\nwhile time.process_time() < 1.6: pass"
    script = "\n".join([WATCH, work, spin, PROBE])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=True)
    cost = measured(done.stdout)
    assert cost["results"] == ["mnist"]
    assert cost["rules"] == ["a-lstm"]
    assert 2 <= cost["seconds"] <= 4
    assert cost["peak_mb"] % 10 == 0
    assert cost["gpu"] is False


@pytest.mark.parametrize(("change", "kept"), [
    ({}, True),
    ({"seconds": 27, "peak_mb": 1140}, True),
    ({"seconds": 13}, True),
    ({"seconds": 29}, False),
    ({"peak_mb": 1160}, False),
    ({"versions": {"torch": "3"}}, False),
    ({"results": []}, False),
    ({"gpu": True}, False),
])  # fmt: skip
def test_an_entry_stays_while_chance_explains_what_is_new(change, kept):
    new = {**COST, **change}
    assert settled(COST, new) is (COST if kept else new)


def test_entries_of_an_older_kind_give_way():
    assert settled({"seconds": 20, "peak_mb": 1000}, COST) is COST
    assert settled(None, COST) is COST


def test_pages_that_are_gone_are_dropped(tmp_path):
    pages = [tmp_path / "book" / name for name in ("b.ipynb", "a.ipynb")]
    pages[0].parent.mkdir()
    for page in pages:
        page.touch()
        record(tmp_path, page, COST)
    assert list(read_json(tmp_path / "results" / "pages.json")) == ["book/a.ipynb", "book/b.ipynb"]
    pages[0].unlink()
    record(tmp_path, pages[1], COST)
    assert list(read_json(tmp_path / "results" / "pages.json")) == ["book/a.ipynb"]


def test_the_summary_counts_what_is_read():
    several = {**COST, "seconds": 90, "results": ["a", "b"], "rules": ["c"]}
    assert list(summary(COST)) == [
        "needs no GPU",
        "20 seconds on one core",
        "1.0 GB of memory",
        "reads 1 stored result",
    ]
    assert list(summary(several))[1:] == ["1.5 minutes on one core", "1.0 GB of memory",
                                          "reads 1 trained rule and 2 stored results"]  # fmt: skip
    assert list(summary({**COST, "results": [], "gpu": True}))[::3] == [
        "runs on a GPU",
        "computes everything as you watch",
    ]


def test_every_chapter_has_been_measured(chapter, root):
    cost = json.loads((root / "results" / "pages.json").read_text()).get(chapter.relative_to(root).as_posix())
    assert cost is not None, "python -m l2l_core.pages --measure PAGE"
    assert set(cost) == set(COST), "measured before files were noted: python -m l2l_core.pages --measure PAGE"
