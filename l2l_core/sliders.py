"""A slider over figures that are already drawn: it moves where no kernel runs, on the web page as in a file.

`slider("window w", {5: fig, 20: fig}, {5: "alt text", 20: "alt text"}, start=20)` ends a notebook's cell. The same
figures are the frames and the fallback: without JavaScript the one of `start` stands alone. A `framing.Wall` of
pictures may stand for a figure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any

from l2l_core.framing import Wall
from l2l_core.plotting import svg

# one frame is shown, the others are taken out of the page's flow; what the slider says aloud is the frame's value
MOVE = """\
const all = this.closest('.l2l-slider'), frames = all.querySelectorAll('figure');
frames.forEach((frame, k) => { frame.style.display = k == this.value ? 'block' : 'none'; });
const said = frames[this.value].dataset.value;
this.setAttribute('aria-valuetext', said);
all.querySelector('output').value = said;"""
"""What happens when the reader moves a slider: it needs no library and no name that another slider has."""

LOOK = {
    "label": "display:flex;gap:.75em;align-items:center;flex-wrap:wrap;font-family:sans-serif;margin:.25em 0",
    "input": "flex:1 1 12em;max-width:24em;accent-color:#0072B2",
    "output": "min-width:5em;font-variant-numeric:tabular-nums",
    "figure": "margin:0",
}
"""Inline, because a style sheet of the book does not reach Colab."""


@dataclass(frozen=True)
class Slider:
    """Frames by what the slider says at them, with an alternative text each; a notebook shows it as HTML."""

    label: str
    frames: Mapping[str, tuple[str, str]]
    start: str

    def __repr__(self) -> str:
        """What a terminal and nbval's text comparison see."""
        return f"<slider over {self.label}: {', '.join(self.frames)}; at {self.start}>"

    def _repr_html_(self) -> str:
        names = list(self.frames)
        at = names.index(self.start)
        script = escape(" ".join(MOVE.split()))
        # browsers keep a moved slider's place over a reload, not the frame that belongs to it
        control = (
            f'<input type="range" min="0" max="{len(names) - 1}" step="1" value="{at}" autocomplete="off" '
            f'aria-label="{escape(self.label)}" aria-valuetext="{escape(self.start)}" '
            f'style="{LOOK["input"]}" oninput="{script}">'
        )
        head = (
            f'<label style="{LOOK["label"]}"><span>{escape(self.label)}</span>{control}'
            f'<output style="{LOOK["output"]}">{escape(self.start)}</output></label>'
        )
        alone = "<noscript><style>.l2l-slider label{display:none!important}</style></noscript>"
        return f'<div class="l2l-slider">{alone}{head}{"".join(map(self._frame, names))}</div>'

    def _frame(self, name: str) -> str:
        picture, alt = self.frames[name]
        role = "img" if picture.startswith("<svg") else "group"  # the pictures of a wall have words of their own
        shown = "block" if name == self.start else "none"
        # one id must not name two things on a page, in two frames or in two sliders
        prefix = sha256(f"{self.label} {name} {alt}".encode()).hexdigest()[:6]
        return (
            f'<figure data-value="{escape(name)}" role="{role}" aria-label="{escape(alt)}" '
            f'style="{LOOK["figure"]};display:{shown}">{_own_ids(picture, prefix)}</figure>'
        )


def slider(label: str, figures: Mapping[Any, Any], alts: Mapping[Any, str], start: Any) -> Slider:
    """A slider over matplotlib figures, which are closed, or walls, one for each value; `start` is shown first.

    `label` names what is moved, and `alts` describes each figure to those who do not see it. Raises ValueError where
    figures, texts and start do not fit together.
    """
    import matplotlib.pyplot as plt

    if set(figures) != set(alts) or start not in figures or len(figures) < 2:
        raise ValueError(
            f"values {list(figures)}, texts for {list(alts)}, start at {start!r}: these do not fit together"
        )
    frames = {}
    for value, figure in figures.items():
        picture = figure._repr_html_() if isinstance(figure, Wall) else _svg(figure)
        frames[f"{value:,}" if isinstance(value, int) else str(value)] = (picture, alts[value])
        if not isinstance(figure, Wall):
            plt.close(figure)
    return Slider(label, frames, f"{start:,}" if isinstance(start, int) else str(start))


def _svg(figure: Any) -> str:
    """A figure as an SVG element that may stand in HTML: no prologue, no metadata, as wide as there is room for."""
    text = svg(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"\n\s*", " ", text).strip()
    return text.replace("<svg", '<svg aria-hidden="true" style="max-width:100%;height:auto"', 1)


def _own_ids(svg: str, prefix: str) -> str:
    """The picture with `prefix` before every id and before every reference to one."""
    svg = re.sub(r' id="([^"]+)"', rf' id="{prefix}-\1"', svg)
    return re.sub(r'(href="|url\()#', rf"\1#{prefix}-", svg)
