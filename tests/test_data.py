"""Images: four sets that never meet, found or refused, never pretended."""

import os
from itertools import combinations

import pytest
import torch
from conformance import run_python

from l2l_core import cifar, data
from l2l_core.data import MNIST_FILES, SPLITS, mnist, part

real = pytest.mark.skipif(not os.environ.get("L2L_DATA"), reason="L2L_DATA is not set: no real images")


@pytest.fixture
def afresh():
    """Images are looked for again, in the test and after it."""
    mnist.cache_clear(), data._official.cache_clear()
    yield
    mnist.cache_clear(), data._official.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch, afresh):
    """An `L2L_DATA` whose files are there and empty."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_FILES:
        (raw / name).touch()
    monkeypatch.setenv("L2L_DATA", str(tmp_path))
    return raw


@pytest.mark.parametrize("pair", list(combinations(SPLITS, 2)), ids="-".join)
def test_two_sets_have_no_image_in_common(pair):
    one, other = (set(mnist(split).origin.tolist()) for split in pair)
    assert not one & other


@pytest.mark.parametrize("count", [12, 100, 1797])
@pytest.mark.parametrize(("shares", "left"), [(data.SHARES, "test"), (cifar.SHARES, "score")], ids=["mnist", "cifar"])
def test_a_number_of_origin_is_that_of_the_picture_and_its_label(count, shares, left):
    """Of pictures that show their own number, negative in the test file."""
    shown = torch.arange(count)
    parts = {split: part(split, (shown, 10 * shown), (-1 - shown, shown), "made up", shares) for split in SPLITS}
    for split, images in parts.items():
        assert images.pixels.equal(images.origin)
        assert images.labels.equal(-1 - images.origin if split == left else 10 * images.origin)
    assert torch.cat([parts[split].origin for split in shares]).tolist() == list(range(count))
    for split, share in shares.items():
        assert abs(len(parts[split].origin) - count * share / sum(shares.values())) < 1


def test_sets_are_labelled_pictures_each_counted_once():
    for images in map(mnist, SPLITS):
        assert images.pixels.shape == (len(images.labels), 784)
        assert images.pixels.dtype == torch.uint8
        assert images.labels.unique().tolist() == list(range(10))
        assert images.origin.unique().numel() == len(images.labels)
        assert images.pixels.max() > 200


@real
def test_real_mnist_is_divided_as_documented():
    counts = {split: len(mnist(split).labels) for split in SPLITS}
    assert counts == {"train": 50_000, "validation": 5_000, "test": 10_000, "score": 5_000}
    assert all(mnist(split).real for split in SPLITS)
    assert mnist("train").labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as everyone's MNIST begins
    assert mnist("test").labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert round(float(mnist("train").pixels.float().mean())) == 33


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown split 'tset'; there are train, validation, test, score"):
        mnist("tset")


def test_a_missing_file_is_an_error_and_never_a_fallback(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"L2L_DATA is .* lacks t10k-labels-idx1-ubyte.gz"):
        mnist("train")


def test_an_empty_folder_is_an_error_and_never_a_fallback(tmp_path, monkeypatch, afresh):
    monkeypatch.setenv("L2L_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"lacks train-images-idx3-ubyte.gz, train-labels"):
        mnist("test")


def test_a_corrupt_file_is_named_with_both_sums(folder):
    with pytest.raises(
        ValueError, match=r"train-images-idx3-ubyte.gz is corrupt: its md5 is d41d8c.*, MNIST's is f68b3c"
    ):
        mnist("train")


OFFLINE = """
import socket, torch
def refuse(*args, **kwargs): raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = refuse
from l2l_core.data import SPLITS, mnist
from l2l_core.tasks import MNISTNetwork
sets = [mnist(split) for split in SPLITS]
print([len(images.labels) for images in sets], {images.real for images in sets}, sets[0].source)
origins = torch.cat([images.origin for images in sets])
print(len(origins) == len(origins.unique()) == 1797, tuple(sets[0].pixels.shape[1:]), MNISTNetwork().source)
"""


def test_without_data_and_network_a_stand_in_serves_and_says_so(tmp_path):
    done = run_python("-W", "ignore", "-c", OFFLINE, L2L_DATA="", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    source = "stand-in: scikit-learn's 8×8 digits, enlarged"
    assert f"No MNIST here: running on the {source}. Numbers will differ from the book's." in done.stdout
    assert f"[1248, 125, 299, 125] {{False}} {source}" in done.stdout
    assert f"True (784,) {source}" in done.stdout


BARE = """
import sys
sys.modules["sklearn"] = sys.modules["torchvision"] = None
from l2l_core.__main__ import main
main(["train", "mnist", "--device", "cpu"])
"""


def test_without_data_and_without_a_stand_in_it_is_said_what_to_do(tmp_path):
    done = run_python("-c", BARE, L2L_DATA="", HOME=str(tmp_path))
    assert done.returncode == 2
    assert "l2l_core: no MNIST here, and no scikit-learn for a stand-in: set L2L_DATA to" in done.stderr
    assert "pip install 'l2l-core[book]'" in done.stderr
    assert "Traceback" not in done.stderr
