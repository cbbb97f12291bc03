"""Any photograph and any painting: a picture comes out, step by step, or a clear error."""

import io

import pytest
import torch
from conformance import seeded, small_lstm
from PIL import Image

from l2l_core import LogSign
from l2l_core.evaluation import generator
from l2l_core.images import load_image, square, stored
from l2l_core.paint import canvas, paint
from l2l_core.rules import SGD, Adam
from l2l_core.studio import strip, studio

PHOTOGRAPH, PAINTING = torch.rand(3, 20, 30, generator=seeded(1)), torch.rand(3, 40, 25, generator=seeded(2))


@pytest.fixture(scope="module")
def task():
    return canvas(PHOTOGRAPH, PAINTING, 16, "random")


def saved(mode):
    """A picture file in memory, of one of Pillow's modes."""
    file = io.BytesIO()
    Image.effect_noise((24, 20), 80).convert(mode).save(file, "PNG")
    file.seek(0)
    return file


def test_a_photograph_is_cut_square_and_a_painting_is_twice_as_wide(task):
    assert task.contents.equal(square(PHOTOGRAPH, 16)[None])
    assert task.style.equal(square(PAINTING, 32))
    assert (task.content_weight, task.style_weight, task.smoothness) == (1.0, 10.0, 3.0)
    assert canvas(PHOTOGRAPH, PAINTING, 16, "random", smoothness=0.5).smoothness == 0.5


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_grey_transparent_and_palette_pictures_are_painted_in_colour(mode):
    some = canvas(saved(mode), saved("RGB"), 16, "random")
    assert some.contents.shape == (1, 3, 16, 16)
    last = [*paint(some, Adam(0.05), 2, every=1)][-1]
    assert last.picture.shape == (3, 16, 16)


def test_what_is_no_picture_is_refused_in_so_many_words(tmp_path):
    whole, huge = saved("RGB").getvalue(), io.BytesIO()
    Image.new("1", (8000, 7000)).save(huge, "PNG")
    with pytest.raises(ValueError, match="not a picture that Pillow knows"):
        canvas(io.BytesIO(b"some text"), PAINTING, 16, "random")
    with pytest.raises(ValueError, match="truncated or damaged"):
        canvas(io.BytesIO(whole[: len(whole) // 2]), PAINTING, 16, "random")
    with pytest.raises(FileNotFoundError):
        canvas(tmp_path / "none.png", PAINTING, 16, "random")
    with pytest.raises(ValueError, match=r"make it smaller than 50,000,000 in all"):
        canvas(huge, PAINTING, 16, "random")
    with pytest.raises(ValueError, match="divide by 255"):
        canvas((255 * PHOTOGRAPH).byte(), PAINTING, 16, "random")


def test_settings_that_make_no_task_are_refused():
    with pytest.raises(ValueError, match="at least 16 pixels wide, got 8"):
        canvas(PHOTOGRAPH, PAINTING, 8, "random")
    with pytest.raises(ValueError, match=r"weights of the loss are 0 or more, got \{'style_weight': -1.0\}"):
        canvas(PHOTOGRAPH, PAINTING, 16, "random", style_weight=-1.0)
    with pytest.raises(ValueError, match=r"0 or more, got .*nan"):
        canvas(PHOTOGRAPH, PAINTING, 16, "random", smoothness=float("nan"))
    with pytest.raises(ValueError, match="unknown perceptual network 'resnet'; there are vgg, "):
        canvas(PHOTOGRAPH, PAINTING, 16, "resnet")


def test_pictures_come_at_the_start_every_so_often_and_at_the_end(task):
    assert [stroke.step for stroke in paint(task, Adam(0.02), 7, every=3)] == [0, 3, 6, 7]
    for steps, every in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="there is nothing to paint"):
            next(paint(task, Adam(0.02), steps, every=every))


@pytest.mark.parametrize("rule", [Adam(0.02), small_lstm(features=LogSign())], ids=["adam", "lstm"])
def test_a_picture_does_not_depend_on_when_it_was_looked_at(task, rule):
    coarse, fine = ({s.step: s for s in paint(task, rule, 6, every=e)} for e in (6, 1))
    torch.testing.assert_close(coarse[6].picture, fine[6].picture)
    # what is said of a picture is its own loss
    target = task.problem(0, generator("paint", 0)).batches(1, seeded())[0]
    for stroke in fine.values():
        assert stroke.loss == pytest.approx(float(task.loss({"picture": stroke.picture}, target)), rel=1e-4)


def test_between_two_strokes_gradients_are_the_callers_own(task):
    for _ in paint(task, Adam(0.02), 2, every=1):
        assert torch.is_grad_enabled()


def test_a_rule_that_diverges_says_so(task):
    with pytest.raises(FloatingPointError, match=r"the picture is not finite after . steps"):
        list(paint(task, SGD(1e30), 4, every=1))


def test_a_strip_shows_the_steps_it_is_asked_for(task):
    strokes = [*paint(task, Adam(0.02), 4, every=2)]
    pictures = strip(iter(strokes), (0, 4)).pictures
    assert [one.caption for one in pictures] == [f"step {s.step}, f = {s.loss:.3g}" for s in (strokes[0], strokes[2])]
    for one, stroke in zip(pictures, (strokes[0], strokes[2]), strict=True):
        assert one.file == stored(stroke.picture)
    with pytest.raises(ValueError, match=r"no picture at the steps \[3\]; there are \[0, 2, 4\]"):
        strip(iter(strokes), (0, 3))


def shown_by_the_studio(monkeypatch, static, steps):
    """What a reader gets to see, with `L2L_STATIC` as it is set."""
    shown = []
    monkeypatch.setenv("L2L_STATIC", static)
    monkeypatch.setattr("l2l_core.paint.present", lambda: "random")
    monkeypatch.setattr("IPython.display.display", shown.append)
    studio(PHOTOGRAPH, PAINTING, Adam(0.02), side=16, steps=steps, every=2)
    (one,) = shown
    return one


def test_where_nobody_moves_a_slider_pictures_stand_in_a_row(monkeypatch):
    wall = shown_by_the_studio(monkeypatch, static="1", steps=8)
    assert [one.caption.split(",")[0] for one in wall.pictures] == ["step 0", "step 2", "step 4", "step 8"]


def test_a_live_reader_has_sliders_and_a_picture_that_is_the_last_stroke(monkeypatch):
    box = shown_by_the_studio(monkeypatch, static="0", steps=4)
    content, _, smoothness, button, picture, said = box.children
    assert content.description == "content"
    smoothness.value = 100.0
    button.click()
    expected = [*paint(canvas(PHOTOGRAPH, PAINTING, 16, "random", smoothness=100.0), Adam(0.02), 4, every=4)][-1]
    torch.testing.assert_close(
        load_image(io.BytesIO(picture.value)), expected.picture.clamp(0, 1), atol=2 / 255, rtol=0
    )
    assert said.value == f"step 4, f = {expected.loss:.3g}"


def test_after_an_error_that_nobody_foresaw_the_button_works_again(monkeypatch):
    box = shown_by_the_studio(monkeypatch, static="0", steps=2)
    button = box.children[3]
    assert not button.disabled
    monkeypatch.setattr("l2l_core.studio.canvas", lambda *a, **k: 1 / 0)
    button.click()  # a widget logs what its callback raises
    assert not button.disabled
