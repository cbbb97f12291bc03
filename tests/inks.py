"""What can be read on the book's light page, and what on its dark one."""

import matplotlib as mpl


def contrast(one, other):
    """Of two colours, as WCAG 2.2 defines it."""

    def luminance(paint):
        channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(paint)]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


DARK = "#171614"
"""A dark page."""
BRIGHTER = 1.3
"""By what it multiplies the colours of a figure; a test asks the style sheet for both."""


def brighter(paint):
    return [min(BRIGHTER * channel, 1) for channel in mpl.colors.to_rgb(paint)]
