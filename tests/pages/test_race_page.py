"""The race in a real browser, where there is one: the same numbers, no error, and no request to another host."""

import json
import shutil
import subprocess
from math import isfinite

import pytest
from bs4 import BeautifulSoup

from l2l_core import RULES, load_pretrained
from l2l_core.playground import LEARNED, PICTURED, RIVALS, data, walk
from l2l_core.races import COURSES

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the race was not run in a browser")


def visited(page, folder):
    """A page after its scripts have run, errors on its console, and the addresses elsewhere that it asked for."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"]
    flags += [f"--log-net-log={folder / 'net.json'}", f"--user-data-dir={folder / 'user'}"]
    command = [BROWSER, *flags, "--virtual-time-budget=10000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    quiet = ("[PST]: Changed", "[togglebutton]: Adding")  # what the theme says on every page
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line and not any(q in line for q in quiet)]
    asked = [event.get("params", {}) for event in json.loads((folder / "net.json").read_text())["events"]]
    # what the browser asks for on its own account has no origin
    asked = {one["url"] for one in asked if one.get("initiator", "not an origin") != "not an origin"}
    return BeautifulSoup(done.stdout, "html.parser"), said, {url for url in asked if url.startswith("http")}


@pytest.fixture(scope="module")
def visit(tmp_path_factory, root):
    """The first page, as built."""
    page = root / "_build" / "html" / "book" / "index.html"
    assert page.exists(), "the book is not built; make book"
    return visited(page, tmp_path_factory.mktemp("browser"))


@needs_browser
def test_errors_and_foreign_requests_would_be_seen(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<img src="https://example.org/x.png"><script>console.error("first"); second()</script>')
    _, said, asked = visited(page, tmp_path)
    assert any("first" in line for line in said)
    assert any("second is not defined" in line for line in said)
    assert asked == {"https://example.org/x.png"}


@needs_browser
def test_the_browser_finds_the_losses_of_the_package(visit):
    host = visit[0].select_one("#race")
    course, rates = COURSES[PICTURED], data()["courses"]["random"]["rates"]
    racers = {"lstm": load_pretrained(LEARNED["lstm"]), **{name: RULES[name](rates[name]) for name in RIVALS}}
    ends = json.loads(host["data-ends"])
    assert set(ends) == set(racers)
    for name, rule in racers.items():
        expected = float(walk(rule, course.function, course.start, 100)[1][-1])
        # JSON has no infinity: who diverged has null
        assert ends[name] == (pytest.approx(expected, rel=1e-6) if isfinite(expected) else None)


@needs_browser
def test_the_page_says_who_leads_and_what_was_held_out(visit):
    host = visit[0].select_one("#race")
    assert host.select_one("[role=status][aria-live=polite]").get_text().startswith("Step 100: ")
    assert host.select_one("canvas[tabindex='0']")["aria-label"].startswith("Map of the surface.")
    assert "meta-training" in host.select_one(".race-note").get_text().lower()
    assert all(canvas.get("aria-label") for canvas in host.select("canvas"))


@needs_browser
def test_every_control_has_a_name(visit):
    controls = visit[0].select("#race :is(input, select)")
    assert len(controls) >= 10
    assert all(c.get("aria-label") or c.find_parent("label").get_text(strip=True) for c in controls)
    assert all(button.get_text(strip=True) for button in visit[0].select("#race button"))


@needs_browser
def test_the_console_shows_no_error_and_nothing_is_fetched_from_elsewhere(visit):
    assert visit[1:] == ([], set())
