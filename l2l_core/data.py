"""Real images: where they are found, checked, and divided into four sets that never meet."""

import gzip
import hashlib
import os
import sys
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SPLITS = ("train", "validation", "test", "score")
"""A: meta-training. B: validation and tuning. C: reported runs. D: the trained optimizee's accuracy."""

SHARES = {"train": 10, "validation": 1, "score": 1}
"""How A, B and D divide MNIST's official training images; C are the official test images."""

MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""The four files of MNIST and the md5 sums that torchvision publishes for them."""


@dataclass(frozen=True, eq=False)
class Images:
    """One set of labelled pictures: `pixels` uint8 `[N, 784]`, `labels` int64 `[N]`, `source` in words.

    `origin` `[N]` numbers the pictures within the official training (≥ 0) and test (< 0) files, so that sets
    can be shown not to meet.
    """

    pixels: Tensor
    labels: Tensor
    origin: Tensor
    source: str

    @property
    def real(self) -> bool:
        """False for the embedded stand-in."""
        return "stand-in" not in self.source


@cache
def mnist(split: str) -> Images:
    """MNIST's set `split` (one of `SPLITS`).

    A, B and D are the first 50,000, the next 5,000 and the last 5,000 official training images, C the 10,000
    official test images. Looked for in `$L2L_DATA/MNIST/raw`, then in `~/.cache/l2l`, then downloaded by
    torchvision. Where there is neither, an embedded stand-in is used, and said so: scikit-learn's 1,797
    handwritten digits, enlarged to 28×28.

    Raises ValueError for an unknown split or a corrupt file, FileNotFoundError if L2L_DATA is set but incomplete,
    ImportError if there is no stand-in either.
    """
    return part(split, *_official(), shares=SHARES)


def part(
    split: str, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], source: str, shares: dict[str, int]
) -> Images:
    """One of the four sets that official pictures and labels are divided into.

    The sets named in `shares` divide `train` between them in these proportions and this order; the fourth is `test`.
    Raises ValueError for an unknown one.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; there are {', '.join(SPLITS)}")
    if split not in shares:
        pixels, labels = test
        return Images(pixels, labels, -1 - torch.arange(len(labels)), source)
    ends = dict(zip(shares, accumulate(shares.values()), strict=True))
    whole, total = len(train[1]), sum(shares.values())
    chosen = slice(whole * (ends[split] - shares[split]) // total, whole * ends[split] // total)
    return Images(train[0][chosen], train[1][chosen], torch.arange(whole)[chosen], source)


@cache
def _official() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], str]:
    folder = _find_mnist()
    if folder is None:
        return stand_in("MNIST")
    images, labels, test_images, test_labels = (_read_idx(folder / name, md5) for name, md5 in MNIST_FILES.items())
    return (images.flatten(1), labels.long()), (test_images.flatten(1), test_labels.long()), "MNIST"


def _find_mnist() -> Path | None:
    named = os.environ.get("L2L_DATA")
    if named:
        folder = Path(named) / "MNIST" / "raw"
        missing = [name for name in MNIST_FILES if not (folder / name).exists()]
        if missing:
            raise FileNotFoundError(f"L2L_DATA is {named!r}, but {folder} lacks {', '.join(missing)}")
        return folder
    cached = Path.home() / ".cache" / "l2l" / "MNIST" / "raw"
    if not all((cached / name).exists() for name in MNIST_FILES):
        try:
            from torchvision.datasets import MNIST

            MNIST(cached.parents[1], download=True)
        except (ImportError, OSError, RuntimeError) as error:
            print(f"MNIST cannot be downloaded ({type(error).__name__}).")
            return None
    return cached


def _read_idx(path: Path, md5: str) -> Tensor:
    packed = path.read_bytes()
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"{path} is corrupt: its md5 is {found}, MNIST's is {md5}; delete it and fetch it again")
    raw = gzip.decompress(packed)
    axes = raw[3]
    shape = np.frombuffer(raw, ">u4", axes, 4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())


def stand_in(missing: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], str]:
    """Scikit-learn's digits, enlarged to 28×28: training pictures and labels, test ones, and the source in words.

    Says that it runs instead of the `missing` data. Raises ImportError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            f"no {missing} here, and no scikit-learn for a stand-in: set L2L_DATA to a folder that holds it, or "
            f"pip install 'l2l-core[book]', with which {missing} is downloaded where there is a network"
        ) from error

    source = "stand-in: scikit-learn's 8×8 digits, enlarged"
    print(f"No {missing} here: running on the {source}. Numbers will differ from the book's.")
    sys.stdout.flush()
    digits = load_digits()
    small = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    large = torch.nn.functional.interpolate(small, (28, 28), mode="bilinear").mul(255).round().to(torch.uint8)
    pixels, labels = large.flatten(1), torch.tensor(digits.target, dtype=torch.int64)
    held = len(labels) // 6
    return (pixels[:-held], labels[:-held]), (pixels[-held:], labels[-held:]), source
