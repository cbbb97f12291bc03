"""The table says in words what the figure draws."""

from math import inf

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

from matplotlib import pyplot as plt

from l2l_core.plotting import colour, use_style
from l2l_core.pocket.show import FACTORS, draw, lines, table, together, write_plot
from l2l_core.profiles import profile

FOUND = {
    "adam": {"one": np.array([10.0, 20, 40]), "two": np.array([8.0, inf, inf])},
    "mine": {"one": np.array([5.0, 80, 40]), "two": np.array([inf, inf, inf])},
}


def test_a_table_has_medians_and_the_profile():
    rows = table(FOUND)
    assert rows[0] == ("", "adam", "mine")
    assert rows[1] == ("one", "20", "40")
    assert rows[2] == ("two", "–", "–")
    assert dict((row[0], row[1:]) for row in rows[3:]) == {
        "the fastest": ("50 %", "33 %"),
        "within × 2": ("67 %", "33 %"),
        "within × 4": ("67 %", "50 %"),
        "at all": ("67 %", "50 %"),
    }


def test_an_even_number_of_problems_half_of_them_unsolved_has_no_median():
    steps = {"adam": {"one": np.array([10.0, inf])}}
    assert table(steps)[1] == ("one", "–")


def test_lines_are_aligned():
    text = lines(table(FOUND))
    assert len({len(line) for line in text}) == 1
    assert all(line.endswith(row[-1]) for line, row in zip(text, table(FOUND), strict=True))


@pytest.fixture
def ax():
    with mpl.rc_context():
        use_style()
        yield plt.subplots()[1]
    plt.close("all")


def test_every_rule_is_drawn_with_its_profile_and_own_ones_are_thick(ax):
    known, own = {"adam": FOUND["adam"]}, {"mine": FOUND["mine"], "other": FOUND["mine"]}
    draw(ax, known, own)
    drawn = {line.get_label(): line for line in ax.get_lines()}
    assert list(drawn) == ["adam", "mine", "other"]
    for name, line in drawn.items():
        factors, share = line.get_data()
        np.testing.assert_allclose(share, profile(together({**known, **own}), factors)[name])
    assert drawn["adam"].get_color() == colour("adam")
    assert len({line.get_color() for line in drawn.values()}) == 3
    assert drawn["mine"].get_linewidth() > drawn["adam"].get_linewidth()
    assert {text.get_text() for text in ax.texts} == set(drawn)


def test_a_rule_of_a_baselines_name_is_not_drawn_in_its_place(ax):
    with pytest.raises(ValueError, match=r"^adam: there is a baseline of that name; choose another$"):
        draw(ax, FOUND, {"adam": FOUND["mine"]})


def test_problems_are_matched_by_their_tasks_and_not_by_their_order():
    mixed = dict(reversed(FOUND["mine"].items()))
    np.testing.assert_array_equal(together({**FOUND, "mine": mixed})["mine"], together(FOUND)["mine"])


def test_rules_that_were_run_on_different_tasks_do_not_share_a_profile():
    with pytest.raises(ValueError, match="mine was run on three, others on one, two"):
        together({**FOUND, "mine": {"three": np.ones(6)}})


def test_a_file_is_the_same_whenever_it_is_drawn(tmp_path):
    before = dict(mpl.rcParams)
    for name in ("one.svg", "two.svg"):
        write_plot(tmp_path / name, FOUND, {})
    assert dict(mpl.rcParams) == before
    one, two = ((tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    assert one.startswith("<?xml")
    assert plt.get_fignums() == []


def test_the_last_rows_end_at_all():
    assert list(FACTORS.values())[-1] == inf
