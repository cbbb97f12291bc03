"""The race in a real browser: the same numbers as the package's, said in words too; and the browser's own ears."""

import json
from math import isfinite

import pytest
from bs4 import BeautifulSoup
from conftest import HTML

from l2l_core import RULES, load_pretrained
from l2l_core.playground import LEARNED, PICTURED, RIVALS, data, walk
from l2l_core.races import COURSES


@pytest.fixture(scope="module")
def host(opened):
    """The race on the first page, once it has run."""
    visit = opened(HTML / "book" / "index.html")
    visit.tab.wait_for_function("document.querySelector('#race').dataset.ends")
    return BeautifulSoup(visit.tab.content(), "html.parser").select_one("#race")


def test_errors_and_foreign_requests_would_be_seen(tmp_path, opened):
    page = tmp_path / "page.html"
    page.write_text('<img src="https://example.org/x.png"><script>console.error("first"); second()</script>')
    said = opened(page, tmp_path).complaints
    assert "first" in said
    assert any("second is not defined" in line for line in said)
    assert "foreign: https://example.org/x.png" in said


def test_the_browser_finds_the_losses_of_the_package(host):
    course, rates = COURSES[PICTURED], data()["courses"]["random"]["rates"]
    racers = {"lstm": load_pretrained(LEARNED["lstm"]), **{name: RULES[name](rates[name]) for name in RIVALS}}
    ends = json.loads(host["data-ends"])
    assert set(ends) == set(racers)
    for name, rule in racers.items():
        expected = float(walk(rule, course.function, course.start, 100)[1][-1])
        # JSON has no infinity: who diverged has null
        assert ends[name] == (pytest.approx(expected, rel=1e-6) if isfinite(expected) else None)


def test_the_page_says_who_leads_and_what_was_held_out(host):
    assert host.select_one("[role=status][aria-live=polite]").get_text().startswith("Step 100: ")
    assert host.select_one("canvas[tabindex='0']")["aria-label"].startswith("Map of the surface.")
    assert "meta-training" in host.select_one(".race-note").get_text().lower()
    assert all(canvas.get("aria-label") for canvas in host.select("canvas"))


def test_every_control_has_a_name(host):
    controls = host.select(":is(input, select)")
    assert len(controls) >= 10
    assert all(c.get("aria-label") or c.find_parent("label").get_text(strip=True) for c in controls)
    assert all(button.get_text(strip=True) for button in host.select("button"))
