"""Photographs are whole sets that never meet; what is missing or broken is named."""

import os

import pytest
import torch

from l2l_core import gallery
from l2l_core.gallery import PAINTINGS, SETS, painting, photographs

needs_data = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set")


@needs_data
def test_sets_are_whole_and_never_meet():
    found = {split: photographs(split) for split in SETS}
    assert {split: len(one.pixels) for split, one in found.items()} == SETS
    pictures = [row.numpy().tobytes() for one in found.values() for row in one.pixels]
    names = [name for one in found.values() for name in one.names]
    assert len(set(names)) == len(names) == sum(SETS.values())
    assert len(set(pictures)) == len(pictures)
    assert all(one.pixels.shape[1:] == (3, 64, 64) for one in found.values())
    assert all(0 <= one.pixels.min() <= one.pixels.max() <= 1 for one in found.values())


@needs_data
def test_larger_photographs_are_for_tests_and_tuning():
    large, tuning = photographs("test", 128), photographs("validation", 128)
    assert large.pixels.shape == (SETS["test"], 3, 128, 128)
    assert tuning.pixels.shape == (SETS["validation"], 3, 128, 128)
    assert len({*large.names, *tuning.names}) == SETS["test"] + SETS["validation"]
    assert not {*large.names, *tuning.names} & set(photographs("train").names)
    with pytest.raises(ValueError, match="photographs of train are 64 pixels wide, asked for 128"):
        photographs("train", 128)


@needs_data
@pytest.mark.parametrize("name", PAINTINGS)
def test_a_painting_is_a_square_of_any_size(name):
    small, large = painting(name, 32), painting(name, 96)
    assert small.shape == (3, 32, 32)
    # the same picture: averaged over 3×3 pixels, the larger is the smaller
    averaged = torch.nn.functional.avg_pool2d(large, 3)
    assert (averaged - small).abs().mean() < 0.03 < (averaged.flip(2) - small).abs().mean()


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="unknown set 'score'; there are train, validation, test"):
        photographs("score")
    with pytest.raises(ValueError, match="unknown painting 'mona_lisa'; there are starry_night, "):
        painting("mona_lisa", 8)


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A data folder of one's own, with nothing in it, and nothing remembered."""
    for one in (photographs, painting):
        one.cache_clear()
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    yield tmp_path
    for one in (photographs, painting):
        one.cache_clear()


def test_a_folder_that_lacks_something_is_an_error(elsewhere):
    with pytest.raises(FileNotFoundError, match=r"lacks content64-1800-20-100\.tar"):
        photographs("train")
    with pytest.raises(FileNotFoundError, match=r"lacks wave\.jpg"):
        painting("wave", 8)
    (elsewhere / "content").mkdir()
    (elsewhere / "content" / "content64-1800-20-100.tar").write_bytes(b"broken")
    with pytest.raises(ValueError, match="is corrupt: its sha256 is"):
        photographs("train")


def test_the_sets_of_a_download_never_meet(elsewhere, monkeypatch):
    """A number for a photograph, each a file of its own."""
    datasets = pytest.importorskip("torchvision.datasets")
    whole = [(f"n0/{k}.JPEG", 0) for k in range(sum(SETS.values()) + 7)]

    class Downloaded:
        _samples = whole

        def __init__(self, *args, **settings):
            pass

        def __len__(self):
            return len(whole)

    monkeypatch.delenv("L2L_DATA")
    monkeypatch.setattr(datasets, "Imagenette", Downloaded)
    monkeypatch.setattr(gallery, "load_image", lambda file: torch.full((3, 2, 2), int(file.stem) / len(whole)))
    found = {split: photographs(split, 2) for split in SETS}
    assert {split: len(one.names) for split, one in found.items()} == SETS
    assert len({name for one in found.values() for name in one.names}) == sum(SETS.values())
    for one in found.values():
        numbers = [int(name.removesuffix(".JPEG")) / len(whole) for name in one.names]
        torch.testing.assert_close(one.pixels[:, 0, 0, 0], torch.tensor(numbers))
    del whole[-8:]
    photographs.cache_clear()
    with pytest.raises(ValueError, match=r"has 1919 photographs here, too few for 1920; delete .*imagenette2-160"):
        photographs("test", 2)


@pytest.fixture
def nowhere(elsewhere, monkeypatch):
    """No data, and no way to fetch any."""
    monkeypatch.delenv("L2L_DATA")


def test_without_any_data_cut_outs_stand_in_and_say_so(nowhere, capsys):
    found = {split: gallery._stand_in(split, 16) for split in SETS}
    assert "No photographs here: running on the stand-in" in capsys.readouterr().out
    assert all("stand-in" in one.source for one in found.values())
    pictures = [row.numpy().tobytes() for one in found.values() for row in one.pixels]
    assert len(set(pictures)) == len(pictures)


def test_cut_outs_of_two_sets_share_no_pixel(nowhere, monkeypatch):
    """Black to the left, white to the right, and one grey: each set sees one of them alone."""
    left_and_right = (torch.arange(640) >= 400).float().expand(3, 427, 640)
    monkeypatch.setattr(gallery, "samples", lambda: (left_and_right, torch.full((3, 427, 640), 0.5)))
    for split, colour in zip(SETS, (0.0, 1.0, 0.5), strict=True):
        found = gallery._stand_in(split, 16).pixels
        torch.testing.assert_close(found, torch.full_like(found, colour))


@pytest.mark.parametrize("name", PAINTINGS)
def test_without_data_a_painting_is_its_own_thumbnail(nowhere, name, capsys):
    found = painting(name, 128)
    assert capsys.readouterr().out == ""
    assert painting(name, 160).shape == (3, 160, 160)
    assert f"{name!r} is 128 pixels wide here; it is enlarged to 160" in capsys.readouterr().out
    # each is nearer to itself at another size than to any other
    smaller = {other: painting(other, 32) for other in PAINTINGS}
    averaged = torch.nn.functional.avg_pool2d(found, 4)
    apart = {other: float((averaged - one).abs().mean()) for other, one in smaller.items()}
    assert min(apart, key=apart.get) == name


@needs_data
@pytest.mark.parametrize("name", PAINTINGS)
def test_a_thumbnail_is_the_painting(name, monkeypatch):
    whole = painting(name, 128)
    monkeypatch.delenv("L2L_DATA")
    painting.cache_clear()
    assert (painting(name, 128) - whole).abs().mean() < 0.03
    painting.cache_clear()


@needs_data
def test_the_first_few_large_photographs_show_many_things():
    """Names begin with what they show, in the order of a tree of kinds: animals first."""
    first = [int(name[1:9]) for name in photographs("test", 128).names[:10]]
    animals = sum(kind < 2_500_000 for kind in first)
    assert first != sorted(first)
    assert 0 < animals < 10
