"""What results took: every one is counted, once."""

from math import isnan

import pytest

from l2l_core import TRIALS
from l2l_core.claims import RESULTS
from l2l_core.expenses import CHAPTERS, expenses, table, total
from l2l_core.store import read_json, write_json

HOUR = 3600.0
RUN = {"seconds": 9 * HOUR, "cpu_seconds": 2 * HOUR}


def stored(folder, name, seeds=(), baselines=(), **others):
    """Metrics with these runs in each meta-seed and these seconds of tuning."""
    found = {"seeds": [{"restarts": list(runs)} for runs in seeds], **others}
    write_json(folder / name / "metrics.json", {**found, "baselines": dict(enumerate(baselines))})


def test_every_trial_is_in_one_chapter():
    assert sorted(trial.name for trials in CHAPTERS.values() for trial in trials) == sorted(TRIALS)


def test_all_stored_results_are_counted():
    folders = [path for path in RESULTS.iterdir() if (path / "metrics.json").exists()]
    found = expenses()
    assert sum(one.trials for one in found) == len(folders)
    runs = (
        run
        for path in folders
        for seed in read_json(path / "metrics.json")["seeds"]
        for run in seed.get("restarts", [])
    )
    assert total(found).runs == sum(1 for _ in runs)


def test_hours_of_processors_are_counted_and_the_clocks_where_there_are_no_others(tmp_path):
    stored(
        tmp_path, "mnist", [[RUN, RUN], [RUN | {"cpu_seconds": None}]], [{"seconds": HOUR}, {}], test_seconds=HOUR / 2
    )
    stored(tmp_path, "mnist-as-printed", [[{"seconds": HOUR}]], test_seconds=None)
    (one,) = expenses(tmp_path)
    assert one == ("MNIST", 2, 4, pytest.approx(2 + 2 + 9 + 1), 1.0, 0.5, 1)


def test_a_run_that_diverged_has_noted_no_time(tmp_path):
    stored(tmp_path, "quadratic", [[RUN, {"diverged": "at meta-step 3"}]])
    (one,) = expenses(tmp_path)
    assert isnan(one.training)
    assert one.runs == 2


def test_the_table_ends_with_the_sums(tmp_path):
    stored(tmp_path, "mnist", [[RUN]])
    stored(tmp_path, "wandering", [[RUN, RUN]], test_seconds=HOUR)
    heads, *rows, last = table(expenses(tmp_path))
    assert [len(row) for row in (heads, *rows, last)] == [6] * 4
    assert [row[3] for row in rows] == ["2.00", "4.00"]
    assert last == ("Together", "2", "3", "6.00", "0.00", "1.00 (1)")
