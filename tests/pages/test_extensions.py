"""What the book's Sphinx extensions make."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
from l2l_access import MENDED, mend
from l2l_cite import bibtex
from l2l_sphinx import Constant, markdown_to_rst

FAULTS = [
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    (
        '<button class="btn search-button-field x" title="S" aria-label="Search" a>',
        '<button class="btn search-button-field x" title="S" a>',
    ),
    (
        '<i class="theme-switch fa" data-mode="auto"  title="System Settings"></i>',
        '<i class="theme-switch fa" data-mode="auto" ></i>',
    ),
    (
        '<div id="pst-primary-sidebar" class="a">',
        '<div id="pst-primary-sidebar" role="navigation" aria-label="Book" class="a">',
    ),
    ('<div class="citation" role="doc-biblioentry">', '<div class="citation" role="listitem">'),
    (
        f'<img alt="A > B" src="../_images/{64 * "a"}.svg" />',
        f'<div class="output room"><img alt="A > B" src="../_images/{64 * "a"}.svg" /></div>',
    ),
    ('<th class="head"><p></p></th>', "<td></td>"),
]


def test_every_fault_has_its_case():
    assert len(FAULTS) == len(MENDED)


@pytest.mark.parametrize(("fault", "cure"), FAULTS)
def test_faults_are_mended_once(fault, cure):
    assert mend(fault) == cure
    assert mend(cure) == cure


@pytest.mark.parametrize(
    "whole", ['<button aria-label="Search">', '<th class="head"><p>Loss</p></th>', '<a title="x">']
)
def test_what_is_whole_stays(whole):
    assert mend(whole) == whole


def test_citation_becomes_bibtex():
    people = [{"name": "The authors of it"}, {"family-names": "Noether", "given-names": "Emmy"}]
    cff = {"title": "T", "authors": people, "version": "1.2", "repository-code": "https://example.org/a"}
    assert bibtex(cff).splitlines() == [
        "@software{l2lbook,",
        "  title = {T},",
        "  author = {{The authors of it} and Noether, Emmy},",
        "  version = {1.2},",
        "  url = {https://example.org/a}",
        "}",
    ]


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("the *loss* and *A whole title*.", "the *loss*\\ and *A whole title*\\ ."),
        ("f*g and h*k", "f\\*g and h\\*k"),
        ("`code` of θ_t", "``code``\\ of θ\\ :sub:`t`\\ "),
    ],
)
def test_docstrings_markdown_becomes_sphinx(docstring, expected):
    lines = [docstring]
    markdown_to_rst(None, "function", "f", None, None, lines)
    assert "\n".join(lines).replace("\\  ", "\\ ") == expected


@pytest.mark.parametrize(("value", "hidden"), [(20, False), ({"sgd": 1}, False), (Path("a"), True), ([1] * 80, True)])
def test_a_constant_is_shown_with_its_value_where_that_is_short(value, hidden):
    told = Constant.__new__(Constant)
    told.object = value
    told.options, told.modname, told.objpath = {}, "l2l_core", ["NONE"]
    told.get_doc = lambda: [[]]
    assert told.should_suppress_value_header() == hidden
