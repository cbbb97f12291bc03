"""Sliders over figures: all frames are there, one is shown, and ids name one thing each."""

import re
import shutil
import subprocess

import matplotlib.pyplot as plt
import pytest
import torch
from bs4 import BeautifulSoup

from l2l_core.framing import Framed, Wall
from l2l_core.images import stored
from l2l_core.plotting import use_style
from l2l_core.sliders import slider

ALTS = {5: "A line that rises to 5.", 20: 'A line that rises to "20".', 1000: "A line that rises to 1,000."}


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def draw(top):
    use_style()
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1], [0, top])
    return fig


def made(start=20, label="window w"):
    return slider(label, {value: draw(value) for value in ALTS}, ALTS, start=start)


@pytest.fixture
def soup():
    return BeautifulSoup(made()._repr_html_(), "html.parser")


def test_every_frame_is_a_described_picture_and_the_start_is_shown(soup):
    frames = soup.select(".l2l-slider figure[role=img]")
    assert [frame["data-value"] for frame in frames] == ["5", "20", "1,000"]
    assert [frame["aria-label"] for frame in frames] == list(ALTS.values())
    assert ["display:block" in frame["style"] for frame in frames] == [False, True, False]
    assert all(frame.svg["aria-hidden"] == "true" for frame in frames)


def test_walls_of_pictures_are_frames_too():
    file = stored(torch.zeros(3, 4, 4))
    walls = {name: Wall([Framed(file, f"{name} {k}", f"picture {k}") for k in (1, 2)], 2) for name in ("one", "two")}
    soup = BeautifulSoup(slider("wall", walls, {"one": "first", "two": "second"}, "one")._repr_html_(), "html.parser")
    frames = soup.select("figure")
    assert [(frame["data-value"], frame["role"]) for frame in frames] == [("one", "group"), ("two", "group")]
    assert [[p.text for p in frame.select("p")] for frame in frames] == [["one 1", "one 2"], ["two 1", "two 2"]]


def test_the_control_is_labelled_and_says_its_value(soup):
    control = soup.select_one("label input[type=range]")
    assert control["aria-label"] == soup.select_one("label span").text == "window w"
    assert (control["min"], control["max"], control["value"], control["aria-valuetext"]) == ("0", "2", "1", "20")
    assert soup.select_one("label output").text == "20"


def test_without_javascript_the_control_is_hidden(soup):
    assert "display:none" in soup.noscript.style.text


def test_every_id_is_given_once_and_every_reference_leads_to_one():
    html = made()._repr_html_() + made(label="another")._repr_html_()
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)


def test_nothing_is_fetched_and_nothing_is_dated(soup):
    text = str(soup)
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "<metadata>" not in text
    assert "<script" not in text


def test_two_runs_make_the_same_bytes():
    assert made()._repr_html_() == made()._repr_html_()
    assert repr(made()) == "<slider over window w: 5, 20, 1,000; at 20>"


def test_figures_are_closed():
    made()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("wrong", [{"start": 7}, {"alts": {5: "only one of them"}}])
def test_what_does_not_fit_is_an_error(wrong):
    with pytest.raises(ValueError, match="do not fit"):
        slider("w", {5: draw(5), 20: draw(20)}, **{"alts": {5: "five", 20: "twenty"}, "start": 5, **wrong})
    plt.close("all")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: no slider was moved in a browser")
def test_moving_one_slider_shows_its_frame_and_leaves_the_others_alone(tmp_path):
    page = tmp_path / "page.html"
    move = "const s = document.querySelector('input'); s.value = 2; s.dispatchEvent(new Event('input'));"
    both = made()._repr_html_() + made(label="another")._repr_html_()
    page.write_text(f'<meta charset="utf-8">{both}<script>{move}</script>', encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "CONSOLE" not in done.stderr
    first, other = BeautifulSoup(done.stdout, "html.parser").select(".l2l-slider")
    for one, shown in ((first, "1,000"), (other, "20")):
        visible = [f["data-value"] for f in one.select("figure") if "none" not in f["style"]]
        assert visible == [shown]
        assert one.select_one("output").text == one.select_one("input")["aria-valuetext"] == shown
