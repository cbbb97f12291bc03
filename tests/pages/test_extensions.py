"""What the book's Sphinx extensions make."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
from l2l_access import MENDED, mend
from l2l_cite import bibtex

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
