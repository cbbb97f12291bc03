"""Every page as readers meet it: readable, quiet, no wider than the window, and whole without a mouse or eyes."""

from pathlib import Path

import nbformat
import pytest
from conftest import HTML, ROOT, SCHEMES

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STRUCTURE = {
    "runOnly": TAGS,
    "resultTypes": ["violations"],
    "preload": False,
    "rules": {"color-contrast": {"enabled": False}},
}
CONTRAST = {"runOnly": ["color-contrast"], "resultTypes": ["violations"], "preload": False}

# One element for every pair of colours, size and weight: contrast depends on nothing else, and axe takes a minute for
# all elements of the longest page.
INKS = """options => {
  const inks = new Map();
  for (const element of document.querySelectorAll("body *")) {
    const written = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!written || element.closest("mjx-container") || !element.checkVisibility()) continue;
    const {color, fontSize, fontWeight} = getComputedStyle(element), paper = [];
    for (let under = element; under; under = under.parentElement) {
      const {backgroundColor, backgroundImage, opacity} = getComputedStyle(under);
      if (opacity !== "1" || backgroundImage !== "none") paper.push(opacity, backgroundImage);
      if (!backgroundColor.endsWith(", 0)")) { paper.push(backgroundColor); break; }
    }
    const ink = [color, fontSize, fontWeight, ...paper].join();
    if (!inks.has(ink)) inks.set(ink, element);
  }
  return axe.run({include: [...inks.values()]}, options);
}"""

# what reaches past the right edge and is not in a box that scrolls by itself
WIDE = """() => {
  const page = document.scrollingElement, room = page.clientWidth;
  if (page.scrollWidth <= room) return [];
  const scrolls = e => e && e !== page && (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX)
    || scrolls(e.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter(e => e.getBoundingClientRect().right > room + 1 && !scrolls(e))
    .map(e => `${e.outerHTML.slice(0, 120)} ends at ${e.getBoundingClientRect().right}`).slice(0, 5);
}"""

# the next Tab starts from the top, wherever the focus was
TOP = """() => {
  window.focusedBefore = null;
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  scrollTo(0, 0);
}"""

# where the focus is, whether it can be seen, and whether it follows what had it before
FOCUS = """() => {
  const now = document.activeElement, before = window.focusedBefore;
  if (now === document.body) return null;
  window.focusedBefore = now;
  const box = now.getBoundingClientRect(), style = getComputedStyle(now);
  const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
  const inside = box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight;
  const follows = !before || Boolean(before.compareDocumentPosition(now) & Node.DOCUMENT_POSITION_FOLLOWING);
  return {what: now.outerHTML.slice(0, 120), text: now.innerText, marked, inside, follows};
}"""

HEADINGS = """() => [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")].filter(
  heading => heading.checkVisibility()).map(heading => {
  const copy = heading.cloneNode(true);
  copy.querySelectorAll(".headerlink, .section-number, mjx-container").forEach(part => part.remove());
  return Number(heading.tagName[1]) + " " + copy.textContent.replace(/\\s+/g, " ").trim();
})"""


def told(found):
    """What axe found, one line an element."""
    reason = [(rule, node) for rule in found["violations"] for node in rule["nodes"]]
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'].splitlines()[-1].strip()}" for rule, node in reason
    ]


def barriers(tab):
    """What axe says of everything but colours."""
    # MathJax gives every formula its MathML; axe would go through thousands of glyphs beside it
    return told(tab.evaluate("how => axe.run({exclude: ['mjx-container']}, how)", STRUCTURE))


def faint(tab):
    """Text that one cannot tell from what is under it."""
    return told(tab.evaluate(INKS, CONTRAST))


def lost(tab):
    """Where the focus goes on 40 presses of Tab, and which of these places are not seen, not marked or out of order."""
    tab.evaluate(TOP)
    stops = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        if (stop := tab.evaluate(FOCUS)) is None:  # past the last element
            break
        stops.append(stop)
    return stops, [str(stop) for stop in stops if not (stop["marked"] and stop["inside"] and stop["follows"])]


FAULTY = """<!doctype html><html lang="en"><head><title>Faulty</title></head><body><main><h1>Faulty</h1>
<img src="missing.png"><p style="color: #bbb; background: #fff">faint</p><div style="width: 3000px">wide</div>
<a href="#" style="outline: none">unmarked</a><a href="#" style="position: fixed; left: -500px">away</a>
</main></body></html>"""


def test_faults_would_be_seen(opened, tmp_path):
    (tmp_path / "page.html").write_text(FAULTY)
    seen = opened(tmp_path / "page.html", tmp_path)
    assert [line.split(":")[0] for line in barriers(seen.tab)] == ["image-alt"]
    assert [line.split(":")[0] for line in faint(seen.tab)] == ["color-contrast"]
    (wide,) = seen.tab.evaluate(WIDE)
    assert wide.startswith('<div style="width: 3000px">')
    stops, strays = lost(seen.tab)
    assert [stop["text"] for stop in stops] == ["unmarked", "away"]
    assert len(strays) == 2
    assert [line for line in seen.complaints if line.startswith("failed: ")]


def test_structure_is_accessible(visit):
    assert barriers(visit.wear("light").tab) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_ink_stands_out_from_its_paper(visit, scheme):
    assert faint(visit.wear(scheme).tab) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_sideways_scrolling(visit, scheme):
    assert visit.wear(scheme).tab.evaluate(WIDE) == []


def test_the_keyboard_walks_down_the_page_and_one_sees_where(visit):
    stops, strays = lost(visit.wear("light").tab)
    assert stops[0]["what"].endswith(">Skip to main content</a>")
    assert strays == []


def test_headings_are_read_in_the_order_they_are_written_in(visit):
    read = visit.tab.evaluate(HEADINGS)
    assert [line[0] for line in read].count("1") == 1
    assert read[0][0] == "1"
    page = ROOT / Path(visit.tab.url.removeprefix(HTML.as_uri() + "/")).with_suffix(".ipynb")
    if page.exists():
        cells = [cell.source for cell in nbformat.read(page, 4).cells if cell.cell_type == "markdown"]
        written = [line for cell in cells for line in cell.splitlines() if line.startswith("#")]
        assert [int(line[0]) for line in read] == [len(line) - len(line.lstrip("#")) for line in written]


def test_nothing_failed_and_nothing_came_from_elsewhere(visit):
    assert visit.complaints == []
