"""Pictures side by side as a page's own HTML: their files as they are, and under each its words as text.

They shrink together where there is little room, on a dark page their words are light, and who cannot see them is told
what they show.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

LOOK = {
    "wall": "display:grid;grid-template-columns:repeat({columns},minmax(0,1fr));gap:.8em .6em;max-width:{width}em",
    "img": "width:100%;height:auto;display:block",
    "p": "font-family:sans-serif;font-size:.8em;line-height:1.35;margin:.25em 0 0",
}
"""Inline, because a style sheet of the book does not reach Colab."""


class Framed(NamedTuple):
    """A picture as `images.stored` returns it, what stands under it, and what it shows; "" leaves a place empty."""

    file: str
    caption: str = ""
    alt: str = ""


class Wall:
    """Framed pictures, row by row, `columns` in each; a notebook shows them as HTML, `width` ems wide at most.

    Raises ValueError for a picture without an alternative text, for words without a picture, or for rows not filled.
    """

    def __init__(self, pictures: Sequence[Framed], columns: int, width: float = 40) -> None:
        if columns < 1 or not pictures or len(pictures) % columns:
            raise ValueError(
                f"{len(pictures)} pictures do not fill rows of {columns}; leave places empty by Framed('')"
            )
        if lost := [one.caption or one.alt for one in pictures if not one.file and (one.caption or one.alt)]:
            raise ValueError(f"there are words without a picture: {lost}")
        if silent := [one.caption for one in pictures if one.file and not one.alt]:
            raise ValueError(f"pictures need an alternative text each; these have none: {silent}")
        self.pictures, self.columns, self.width = pictures, columns, width

    def __repr__(self) -> str:
        """What a terminal and nbval's text comparison see."""
        return f"<wall of {sum(bool(one.file) for one in self.pictures)} pictures, {self.columns} in a row>"

    def _repr_html_(self) -> str:
        style = LOOK["wall"].format(columns=self.columns, width=self.width)
        return f'<div class="l2l-wall" style="{style}">{"".join(map(_framed, self.pictures))}</div>'


def _framed(one: Framed) -> str:
    if not one.file:
        return "<div></div>"
    source = f'src="data:image/webp;base64,{one.file}" alt="{escape(one.alt)}"'
    # no element `figure`: a slider over walls counts those
    return f'<div><img {source} style="{LOOK["img"]}"><p style="{LOOK["p"]}">{escape(one.caption)}</p></div>'
