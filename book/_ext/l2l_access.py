"""Mends what the theme's HTML denies to readers who hear the page; axe found each of these.

It works on the built files: the theme has no templates for most of them.
"""

import re
from pathlib import Path

MENDED = (
    # the visible words, "Show code cell content", are the name
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # a name without the visible "Ctrl + K"
    (r'(class="btn search-button-field [^>]*) aria-label="Search"', r"\1"),
    # words in the icons that the button's name lacks
    (r'(<i class="theme-switch [^>]*) title="[^"]*"', r"\1"),
    # the logo stands outside all landmarks
    (
        r'(<div id="pst-primary-sidebar") class',
        r'\1 role="navigation" aria-label="Book" class',
    ),
    # a deprecated role, in a list
    (r' role="doc-biblioentry"', ' role="listitem"'),
    # a figure wider than a telephone scrolls in a box; by this name the Tab key reaches it
    (
        r'(?<!<div class="output room">)'
        r'(<img [^<]*?src="[^"]*_images/[0-9a-f]{64}\.svg"[^>]*>)',
        r'<div class="output room">\1</div>',
    ),
    # a heading of nothing
    (r'<th class="head"><p></p></th>', "<td></td>"),
)
"""Patterns and replacements; none matches what it makes: mending twice changes nothing."""


def mend(html):
    """`html` without these faults."""
    for fault, cure in MENDED:
        html = re.sub(fault, cure, html)
    return html


def mend_all(app, exception):
    """Mend every page that was built."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        if "_static" not in page.relative_to(app.outdir).parts:
            text = page.read_text(encoding="utf-8")
            if app.builder.name == "singlehtml":  # the first page's figure, one folder up
                text = text.replace('="../_static/', '="_static/')
            page.write_text(mend(text), encoding="utf-8")


def setup(app):
    """Sphinx calls this."""
    app.connect("build-finished", mend_all)
    return {"parallel_read_safe": True}
