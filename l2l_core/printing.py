"""The whole book as one PDF, printed by Chromium: no TeX.

`python -m l2l_core.printing PAGE PDF` prints a built page, scripts and mathematics included; `make pdf` hands it the
book on a single page.
"""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What a Chromium is called on the path."""

SETTLED = "() => !window.MathJax || MathJax.startup.promise.then(() => document.fonts.ready).then(() => true)"
"""What is true of a page once its mathematics and fonts are drawn."""

NUMBER = '<div style="width: 100%; font: 8px sans-serif; text-align: center"><span class="pageNumber"></span></div>'


def find_chromium() -> str | None:
    """The Chromium of this machine: `$CHROMIUM`, or the first of `NAMES` on the path; None where there is none.

    Raises FileNotFoundError where `$CHROMIUM` is set and leads to no program.
    """
    if named := os.environ.get("CHROMIUM"):
        if shutil.which(named) is None:
            raise FileNotFoundError(f"CHROMIUM is {named!r}, which is no program here")
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


def print_page(page: Path, pdf: Path) -> None:
    """Print the built `page` on A4 into `pdf`, with the headings as its outline.

    Raises FileNotFoundError where there is no such page or no Chromium, ImportError where playwright is missing.
    """
    if not page.exists():
        raise FileNotFoundError(f"{page} is not built; make book")
    if (chromium := find_chromium()) is None:
        raise FileNotFoundError(f"printing needs a Chromium: none of {', '.join(NAMES)} is on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(color_scheme="light", reduced_motion="reduce")
        tab.goto(page.resolve().as_uri(), timeout=900_000)
        tab.wait_for_function(SETTLED, timeout=900_000)
        tab.emulate_media(media="print")
        margins = {"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"}
        # Chromium's own time limit for a document of hundreds of pages is the command's
        tab.set_default_timeout(1_800_000)
        settings = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": NUMBER}
        tab.pdf(path=pdf, format="A4", margin=margins, tagged=True, outline=True, **settings)
        browser.close()


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    print_page(source, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
