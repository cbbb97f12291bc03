"""A pytest plugin: nbval compares what pages print, and leaves figures to the assertions on the arrays behind them."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Add SVG, and the HTML of sliders and pictures, to what nbval does not compare (PNG and JPEG are)."""
    for page in {item.parent for item in items}:
        if hasattr(page, "skip_compare"):
            page.skip_compare = (*page.skip_compare, "image/svg+xml", "text/html")
