"""One Chromium for all tests here, and the built pages as readers meet them: wide and narrow, light and dark."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from l2l_core.printing import SETTLED, find_chromium

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WINDOWS = {"1400 px": (1400, 900), "390 px": (390, 844)}
SCHEMES = ("light", "dark")


def files(node):
    """The files that a table of contents names, in order."""
    if isinstance(node, list):
        return [name for child in node for name in files(child)]
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [name for key in ("parts", "chapters", "sections") for name in files(node.get(key, []))]


PAGES = [*files(yaml.safe_load((ROOT / "_toc.yml").read_text())), "genindex", "search"]


@dataclass
class Visit:
    """An open page, and what went wrong on it so far."""

    tab: object
    home: str
    complaints: list[str] = field(default_factory=list)

    def listen(self):
        """Note errors and warnings on the console, requests that fail, and requests that leave the book's folder."""
        self.tab.on("console", lambda said: said.type in ("error", "warning") and self.complain(said.text))
        self.tab.on("pageerror", lambda error: self.complain(f"uncaught: {error}"))
        self.tab.on("requestfailed", lambda request: self.complain(f"failed: {request.url}"))
        self.tab.on("request", lambda request: self.local(request.url) or self.complain(f"foreign: {request.url}"))
        return self

    def local(self, url):
        return url.startswith((self.home, "data:", "blob:"))

    def complain(self, text):
        self.complaints.append(text)

    def go(self, page):
        self.tab.goto(page.as_uri())
        self.tab.wait_for_function(SETTLED)
        return self

    def wear(self, scheme):
        """Take on other colours, as a reader does whose evening has come."""
        self.tab.emulate_media(color_scheme=scheme)
        self.tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
        return self


@pytest.fixture(scope="session")
def context():
    """A browser in which nothing moves by itself, with axe in every page."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium here: pages were not looked at in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(reduced_motion="reduce", color_scheme="light")
        context.add_init_script(path=AXE)
        context.set_default_timeout(120_000)
        yield context
        browser.close()


@pytest.fixture(scope="module")
def opened(context):
    """`opened(file, home)` opens a page whose requests must stay within the folder `home`."""
    tabs = []

    def visit(file, home=HTML):
        assert file.exists(), f"{file.relative_to(home)} is not built; make book"
        tabs.append(context.new_page())
        return Visit(tabs[-1], home.as_uri()).listen().go(file)

    yield visit
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module", params=[f"{page}, {window}" for page in PAGES for window in WINDOWS])
def visit(request, context):
    """Every page of the book, in every window."""
    page, _, window = request.param.rpartition(", ")
    file = HTML / f"{page}.html"
    assert file.exists(), f"{page} is not built; make book"
    width, height = WINDOWS[window]
    tab = context.new_page()
    tab.set_viewport_size({"width": width, "height": height})
    yield Visit(tab, HTML.as_uri()).listen().go(file)
    tab.close()
