"""The built book: every page with its figures and outputs, whole links, and no request to another host."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}
LINKS_THAT_LOAD = {
    "stylesheet",
    "icon",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "manifest",
}


def toc(node):
    """The files that a table of contents names, in order."""
    if isinstance(node, list):
        return [name for child in node for name in toc(child)]
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [name for key in ("parts", "chapters", "sections") for name in toc(node.get(key, []))]


PAGES = toc(yaml.safe_load((ROOT / "_toc.yml").read_text()))


@pytest.fixture(scope="session", autouse=True)
def built():
    """The book, built if anything that it is made from is newer."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "book"], cwd=ROOT, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@cache
def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def all_html():
    return sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts)


def notebook(name):
    path = ROOT / f"{name}.ipynb"
    return nbformat.read(path, 4) if path.exists() else None


def test_every_chapter_is_in_the_table_of_contents(root):
    chapters = {path.relative_to(root).with_suffix("").as_posix() for path in (root / "book").rglob("*.ipynb")}
    assert {name for name in chapters if ".ipynb_checkpoints" not in name} <= set(PAGES)


def test_front_page_leads_to_the_book():
    assert "book/index.html" in (HTML / "index.html").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_built_with_its_outputs(name):
    article = parsed(HTML / f"{name}.html").select_one("article")
    assert article.select_one("h1").get_text(strip=True)
    page = notebook(name)
    if page is None:
        return
    cells = [cell for cell in page.cells if cell.cell_type == "code"]
    kinds = [set(o.get("data", {})) for cell in cells for o in cell.outputs]
    figures = [img for img in article.select(".cell_output img") if not img["src"].startswith("data:")]
    assert len(figures) == sum("image/svg+xml" in kind for kind in kinds)
    alone = article.select(".l2l-slider, .l2l-wall:not(.l2l-slider .l2l-wall)")
    assert len(alone) == sum("text/html" in kind for kind in kinds)
    assert all(len(img.get("alt", "")) >= 20 for img in figures)
    assert len(article.select("div.cell")) == len(cells)
    text = article.get_text()
    printed = [o.text for cell in cells for o in cell.outputs if o.output_type == "stream"]
    assert [t for t in printed if t.strip().splitlines()[0] not in text] == []


@pytest.mark.parametrize("name", PAGES)
def test_page_shows_no_error(name):
    article = parsed(HTML / f"{name}.html").select_one("article")
    assert article.select(".output.traceback, .output.stderr, .system-message, .problematic, .docutils-error") == []
    assert "Traceback (most recent call last)" not in article.get_text()


@pytest.mark.parametrize("name", PAGES)
def test_chapters_have_their_buttons(name):
    links = {a["href"] for a in parsed(HTML / f"{name}.html").select(".article-header-buttons a[href]")}
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    place = f"{repository['url'].removeprefix('https://github.com/')}/blob/{repository['branch']}/{name}.ipynb"
    in_colab = f"https://colab.research.google.com/github/{place}" in links
    assert in_colab == (notebook(name) is not None)
    assert any(link.startswith(repository["url"] + "/edit/") for link in links)
    assert any(link.startswith(repository["url"] + "/issues/") for link in links)


def target(page, link):
    """The file and the anchor that a link on a page leads to; None for links that leave the book."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return file, unquote(parts.fragment)


def test_no_internal_link_is_broken():
    broken = []
    for page in all_html():
        for a in parsed(page).select("a[href]"):
            if (found := target(page, a["href"])) is None or a["href"] in ("#", ""):
                continue
            file, anchor = found
            whole = file.exists()
            if whole and anchor and file.suffix == ".html":
                there = parsed(file)
                whole = there.find(id=anchor) is not None or there.find(attrs={"name": anchor}) is not None
            if not whole:
                broken.append(f"{page.relative_to(HTML)}: {a['href']}")
    assert broken == []


def loads(soup):
    """What a browser fetches by itself to show a page."""
    for tag, attribute in LOADED.items():
        yield from (node[attribute] for node in soup.find_all(tag) if node.get(attribute))
    yield from (n["href"] for n in soup.find_all("link", href=True) if LINKS_THAT_LOAD & set(n.get("rel", [])))
    for style in [node.get_text() for node in soup.find_all("style")] + [n["style"] for n in soup.select("[style]")]:
        yield from css_urls(style)


def css_urls(text):
    """What a style sheet fetches."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    quoted = re.findall(r"url\(\s*['\"]?([^'\")]+)", text) + re.findall(r"@import\s+['\"]([^'\"]+)", text)
    return [url for url in quoted if not url.startswith(("data:", "#"))]


def test_pages_fetch_only_local_files_that_exist():
    wrong = []
    for page in all_html():
        for link in loads(parsed(page)):
            if link.startswith("data:"):
                continue
            found = target(page, link)
            if found is None or not found[0].exists():
                wrong.append(f"{page.relative_to(HTML)}: {link}")
    assert wrong == []


def test_style_sheets_fetch_only_local_files_that_exist():
    wrong = []
    sheets = sorted(HTML.rglob("*.css"))
    assert any(sheet.name == "custom.css" for sheet in sheets)
    for sheet in sheets:
        for link in css_urls(sheet.read_text(encoding="utf-8")):
            found = target(sheet, link)
            if found is None or not found[0].exists():
                wrong.append(f"{sheet.relative_to(HTML)}: {link}")
    assert wrong == []


def test_inline_scripts_name_no_content_network():
    hosts = re.compile(r"cdn\.|cdnjs|unpkg|jsdelivr|googleapis|gstatic")
    found = [
        f"{page.relative_to(HTML)}: {script.get_text()[:200]}"
        for page in all_html()
        for script in parsed(page).find_all("script", src=False)
        if hosts.search(script.get_text())
    ]
    assert found == []


def test_mathematics_is_drawn_by_the_local_copy():
    scripts = [s["src"] for s in parsed(HTML / "book" / "notation.html").find_all("script", src=True)]
    assert any("vendor/mathjax/tex-mml-chtml.js" in src for src in scripts)
    fonts = HTML / "_static" / "vendor" / "mathjax" / "output" / "chtml" / "fonts" / "woff-v2"
    assert (fonts / "MathJax_Main-Regular.woff").exists()
