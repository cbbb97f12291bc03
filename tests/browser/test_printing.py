"""A page is printed as it stands once its scripts and its mathematics are done, with an outline and tags."""

import re
import subprocess
import sys

import pytest
from conftest import HTML

from l2l_core.printing import find_chromium, print_page

LATE = """<!doctype html><html lang="en"><title>Late</title>
<style>h1 {break-before: page} h1:first-child {break-before: auto}</style>
<body><h1>One</h1><p>first</p><h1>Two</h1><p>second</p><script>
const done = new Promise(resolve => setTimeout(() => {
  document.body.insertAdjacentHTML("beforeend", "<h1>Three</h1><p>set late, as mathematics is</p>");
  resolve();
}, 2000));
window.MathJax = {startup: {promise: done}};
</script></body></html>"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The bytes of `LATE` as a PDF."""
    if find_chromium() is None:
        pytest.skip("no Chromium here: nothing was printed")
    folder = tmp_path_factory.mktemp("late")
    page, pdf = folder / "page.html", folder / "page.pdf"
    page.write_text(LATE)
    # a process of its own: a browser that other tests hold open would be in its way
    command = [sys.executable, "-m", "l2l_core.printing", str(page), str(pdf)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pdf.read_bytes()


def test_a_page_is_printed_once_what_comes_late_is_there(printed):
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 3


def test_a_print_has_an_outline_of_its_headings_and_is_tagged_for_screen_readers(printed):
    assert b"/Outlines" in printed
    assert b"/StructTreeRoot" in printed


CUT = "() => [...document.querySelectorAll('pre')].filter(p => p.scrollWidth > p.clientWidth + 1).length"
A4 = 658  # pixels between margins of 18 mm


def test_no_line_of_code_is_cut_off_on_paper(opened):
    tab = opened(HTML / "book" / "foundations" / "why.html").tab
    tab.set_viewport_size({"width": A4, "height": 900})
    assert tab.evaluate(CUT) > 0  # on a screen as narrow, one scrolls
    tab.emulate_media(media="print")
    assert tab.evaluate(CUT) == 0


def test_what_is_not_there_is_not_printed(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="is not built; make book"):
        print_page(tmp_path / "none.html", tmp_path / "none.pdf")
    (tmp_path / "some.html").write_text(LATE)
    monkeypatch.setenv("CHROMIUM", "no-such-browser")
    with pytest.raises(FileNotFoundError, match="CHROMIUM is 'no-such-browser'"):
        print_page(tmp_path / "some.html", tmp_path / "some.pdf")
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="printing needs a Chromium"):
        print_page(tmp_path / "some.html", tmp_path / "some.pdf")
