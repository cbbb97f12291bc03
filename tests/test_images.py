"""Whatever picture comes in, three colours between 0 and 1 come out, or an error that says why not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from l2l_core import images
from l2l_core.gallery import samples
from l2l_core.images import encoded, load_image, loaded, shown, square, stored

RED = (255, 0, 0)


def file_of(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def test_a_picture_is_its_colours_over_255():
    values = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    found = load_image(file_of(Image.fromarray(values)))
    assert found.shape == (3, 5, 4)
    torch.testing.assert_close(found, torch.from_numpy(values).permute(2, 0, 1) / 255)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LA"])
def test_a_picture_of_any_mode_is_what_it_is_in_colour(mode):
    colourful = Image.linear_gradient("L").resize((8, 8)).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    expected = np.asarray(colourful.convert("RGB")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(load_image(file_of(colourful, kind)).numpy(), expected, atol=1 / 255)


def test_what_is_transparent_is_white_and_half_of_it_half():
    for alpha, expected in ((0, (1, 1, 1)), (255, (1, 0, 0)), (51, (1, 0.8, 0.8))):
        found = load_image(file_of(Image.new("RGBA", (2, 2), (*RED, alpha))))
        torch.testing.assert_close(found[:, 0, 0], torch.tensor(expected, dtype=torch.float32), atol=0.005, rtol=0)


def test_sixteen_bits_are_scaled():
    deep = Image.fromarray(np.array([[0, 13107, 65535]], dtype=np.uint16))
    torch.testing.assert_close(load_image(file_of(deep))[:, 0], torch.tensor([[0, 0.2, 1.0]] * 3))


def test_a_dark_picture_of_sixteen_bits_is_dark():
    dark = Image.fromarray(np.ones((1, 3), dtype=np.uint16))
    torch.testing.assert_close(load_image(file_of(dark)), torch.full((3, 1, 3), 1 / 65535))


def test_floating_point_pixels_are_taken_as_they_are():
    picture = Image.fromarray(np.array([[0.0, 0.25, 1.0]], dtype=np.float32))
    torch.testing.assert_close(load_image(file_of(picture, "TIFF"))[:, 0], torch.tensor([[0.0, 0.25, 1.0]] * 3))


@pytest.mark.parametrize("value", [-0.1, 1.5, 200.0, np.nan, np.inf])
def test_floating_point_pixels_out_of_range_are_refused(value):
    picture = Image.fromarray(np.array([[0.5, value]], dtype=np.float32))
    with pytest.raises(ValueError, match=r"has values from .*; expected 0 to 1"):
        load_image(file_of(picture, "TIFF"))


def test_a_cameras_orientation_is_honoured():
    wide, exif = Image.new("RGB", (6, 2), RED), Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert load_image(file_of(wide, "JPEG", exif=exif)).shape == (3, 6, 2)


def test_bad_pictures_say_what_is_wrong(tmp_path, monkeypatch):
    whole = file_of(Image.effect_noise((64, 64), 50), "JPEG").getvalue()
    for content, message in ((whole[: len(whole) // 2], "truncated or damaged"), (b"no picture", "not a picture")):
        path = tmp_path / "some.jpg"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"some.jpg is {message}"):
            load_image(path)
    with pytest.raises(FileNotFoundError):
        load_image(tmp_path / "none.jpg")
    monkeypatch.setattr(images, "MOST_PIXELS", 100)
    with pytest.raises(ValueError, match=r"has 11 × 10 pixels; make it smaller"):
        load_image(file_of(Image.new("RGB", (11, 10))))


def test_a_square_is_the_middle_with_its_mean_kept():
    picture = torch.zeros(3, 8, 20)
    picture[:, :, 6:14] = torch.rand(3, 8, 8)
    assert square(picture, 8).equal(picture[:, :, 6:14])
    torch.testing.assert_close(square(torch.full((3, 8, 20), 0.3), 5), torch.full((3, 5, 5), 0.3))
    torch.testing.assert_close(square(picture, 2).mean(), picture[:, :, 6:14].mean(), atol=0.02, rtol=0)


@pytest.mark.parametrize(("shape", "side"), [((3, 8), 4), ((1, 8, 8), 4), ((3, 8, 8), 0), ((3, 0, 8), 4)])
def test_what_has_no_square_is_refused(shape, side):
    with pytest.raises(ValueError, match="expected a picture"):
        square(torch.zeros(shape), side)
    with pytest.raises(ValueError, match=r"expected colours in \[0, 1\], got torch.uint8; divide by 255"):
        square(torch.zeros(3, 8, 8, dtype=torch.uint8), 4)


@pytest.mark.parametrize("value", [200.0, 1.01, -0.5, torch.nan, torch.inf])
def test_colours_out_of_range_are_refused(value):
    picture = torch.rand(3, 8, 8)
    picture[1, 2, 3] = value
    with pytest.raises(ValueError, match=r"expected colours in \[0, 1\], got .* … "):
        square(picture, 4)
    picture[1, 2, 3] = 1 + 1e-6  # a resize leaves such
    assert square(picture, 4).max() <= 1


def test_what_is_neither_a_file_nor_a_tensor_is_refused_and_told_how():
    array = np.zeros((4, 4, 3), dtype=np.uint8)
    with pytest.raises(TypeError, match=r"got ndarray; .* is torch\.from_numpy\(array\)\.permute\(2, 0, 1\) / 255"):
        load_image(array)
    assert square(torch.from_numpy(array).permute(2, 0, 1) / 255, 2).shape == (3, 2, 2)
    with pytest.raises(TypeError, match=r"expected a picture as a tensor .*, got ndarray"):
        square(array, 4)


def test_what_is_shown_is_finite_and_in_range():
    found = shown(torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1))
    assert found.tolist() == [[[0.0, 0.5, 1.0]]]
    for value in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="3 values of the picture are not finite"):
            shown(torch.full((3, 1, 1), value))


def test_a_file_holds_the_picture_clipped_and_enlarged():
    picture = torch.tensor([-1.0, 0.5, 2.0]).view(3, 1, 1).expand(3, 4, 4)
    found = load_image(io.BytesIO(encoded(picture, 8)))
    assert found.shape == (3, 8, 8)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([0.0, 0.5, 1.0]), atol=1 / 255, rtol=0)
    assert encoded(picture, format="JPEG")[:2] == b"\xff\xd8"


def test_a_stored_picture_is_small_and_nearly_what_it_was():
    picture = square(samples()[0], 64)
    text = stored(picture)
    assert len(text) < 4500
    assert (loaded(text) - picture).abs().mean() < 0.03
    assert loaded(stored(picture - 5)).max() < 0.02  # black is as dark as it gets
