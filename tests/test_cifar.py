"""Photographs: four sets that never meet, and grey ones of the size of digits."""

import os
from itertools import combinations

import pytest
import torch
from conformance import run_python

from l2l_core import cifar
from l2l_core.cifar import CIFAR_FILES, cifar10, grey_cifar10
from l2l_core.data import SPLITS
from l2l_core.tasks import MNISTNetwork

real = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no real images")


@pytest.fixture
def afresh():
    """Images are looked for again, in the test and after it."""
    for find in (cifar10, grey_cifar10, cifar._official):
        find.cache_clear()
    yield
    for find in (cifar10, grey_cifar10, cifar._official):
        find.cache_clear()


@pytest.mark.parametrize("pair", list(combinations(SPLITS, 2)), ids="-".join)
def test_two_sets_have_no_image_in_common(pair):
    one, other = (set(cifar10(split).origin.tolist()) for split in pair)
    assert not one & other


@real
def test_real_cifar_is_divided_as_documented():
    # the published means of the channels are 0.4914, 0.4822, 0.4465
    pixels = torch.cat([cifar10(split).pixels for split in ("train", "validation", "test")])
    assert len(pixels) == 50_000 - 95
    assert [len(cifar10(split).labels) for split in SPLITS] == [9_981, 19_962, 19_962, 10_000 - 21]
    means = [float(channel.float().mean()) / 255 for channel in pixels.view(-1, 3, 1024).unbind(1)]
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-4)
    assert cifar10("train").labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]  # as everyone's CIFAR-10 begins
    first = cifar10("score").labels[:500].bincount(minlength=10)
    assert first.min() > 25  # not by class


def test_a_grey_photograph_is_the_luminance_of_its_middle():
    colour, grey = cifar10("score"), grey_cifar10("score")
    assert grey.pixels.shape == (len(colour.labels), 784)
    assert grey.pixels.dtype == torch.uint8
    red, green, blue = colour.pixels[7].view(3, 32, 32)[:, 2 + 5, 2 + 9].double()
    expected = 0.299 * red + 0.587 * green + 0.114 * blue
    assert abs(float(grey.pixels[7].view(28, 28)[5, 9]) - float(expected)) <= 0.5
    assert MNISTNetwork("score", images=grey_cifar10).source.endswith("grey, 28×28 pixels in the middle")


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown split 'dev'; there are train, validation, test, score"):
        cifar10("dev")


def test_missing_and_corrupt_files_are_refused(tmp_path, monkeypatch, afresh):
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"L2L_DATA is set, but .*cifar10 lacks train_1\.npz"):
        cifar10("train")
    (tmp_path / "cifar10").mkdir()
    for name in CIFAR_FILES:
        (tmp_path / "cifar10" / name).touch()
    with pytest.raises(ValueError, match=r"train_1\.npz is corrupt: its sha256 is e3b0c442"):
        cifar10("train")


OFFLINE = """
import sys
sys.modules["torchvision"] = None
from l2l_core.cifar import cifar10, grey_cifar10
print(cifar10("test").pixels.shape[1], grey_cifar10("test").pixels.shape[1], grey_cifar10("test").real)
"""


def test_without_data_and_network_a_stand_in_serves_and_says_so(tmp_path):
    done = run_python("-W", "ignore", "-c", OFFLINE, L2L_DATA="", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "No CIFAR-10 here: running on the stand-in: scikit-learn's 8×8 digits, enlarged." in done.stdout
    assert done.stdout.endswith("3072 784 False\n")
