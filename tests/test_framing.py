"""Pictures on a page: each in its place, with its words, described to those who do not see it."""

import base64

import pytest
import torch
from bs4 import BeautifulSoup
from conformance import seeded

from l2l_core.framing import Framed, Wall
from l2l_core.images import stored

FILE = stored(torch.rand(3, 8, 8, generator=seeded()))


def test_every_picture_stands_in_its_place_with_its_words():
    wall = Wall([Framed(FILE, "1 < 2", 'a "temple"'), Framed(""), Framed(FILE, "f = 3", "a flower")], 3)
    (grid,) = BeautifulSoup(wall._repr_html_(), "html.parser").select("div.l2l-wall")
    assert "repeat(3," in grid["style"]
    places = [[part.name for part in child.find_all()] for child in grid.find_all(recursive=False)]
    assert places == [["img", "p"], [], ["img", "p"]]
    assert [words.text for words in grid.select("p")] == ["1 < 2", "f = 3"]
    assert [img["alt"] for img in grid.select("img")] == ['a "temple"', "a flower"]
    for img in grid.select("img"):
        kind, data = img["src"].split(",")
        assert kind == "data:image/webp;base64"
        assert base64.b64decode(data)[8:12] == b"WEBP"
    assert repr(wall) == "<wall of 2 pictures, 3 in a row>"


@pytest.mark.parametrize(("count", "columns"), [(0, 1), (3, 2), (1, 0)])
def test_rows_are_whole(count, columns):
    with pytest.raises(ValueError, match=f"{count} pictures do not fill rows of {columns}"):
        Wall([Framed(FILE, "", "something")] * count, columns)


def test_words_without_a_picture_are_refused():
    with pytest.raises(ValueError, match=r"words without a picture: \['lost'\]"):
        Wall([Framed("", "lost")], 1)


def test_a_picture_that_nobody_describes_is_refused():
    with pytest.raises(ValueError, match=r"these have none: \['the second'\]"):
        Wall([Framed(FILE, "the first", "something"), Framed(FILE, "the second")], 2)
