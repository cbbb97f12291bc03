"""CIFAR-10: where it is found, checked, and divided into the same four sets as MNIST."""

import hashlib
import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from l2l_core.data import Images, part, stand_in

CIFAR_FILES = {
    "train_1.npz": "6c4866bca2c0be915496052ebb316c34488fb9e388be7827c5d84fc4da1e55f6",
    "train_2.npz": "82df8eb89d07ccd31267d06e5ad3dc8b56ea86ad5c7c6c38b255149641ba3005",
    "train_3.npz": "6b91cec43bdefc4cc3bd29b139f7695cb6dc9974cd9e92645432b5a127fffe35",
    "train_4.npz": "eb384b27a51f56f04e437671ffc63734a8aa85afeb06217171b2786cfaecab89",
    "train_5.npz": "5d7b03cb39abbf1938b43b769729aa6e79a462788aa2dc94d8021fb917380500",
    "test_class_sorted.npz": "81d11673c42580492530416fab5a6457f6988cd4bde5851df48f1acef7e609eb",
}
"""The files of `$L2L_DATA/cifar10` and their sha256 sums."""

SHARES = {"train": 1, "validation": 2, "test": 2}
"""How A, B and C divide CIFAR-10's official training images; D are the official test images."""

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance of ITU-R BT.601."""


@cache
def cifar10(split: str) -> Images:
    """CIFAR-10's set `split` (one of `SPLITS`): pixels uint8 `[N, 3072]`, planes of red, green and blue.

    A, B and C are the first fifth, the next two and the last two of the official training images, D the official test
    images: a network is trained for 1,000 steps on the images of B or C, and of a smaller set it would know each by
    heart. (Most episodes of meta-training are shorter.) Looked for in `$L2L_DATA/cifar10`, then in
    `~/.cache/l2l`, then downloaded by torchvision. The files in `$L2L_DATA` have the test images by class, here
    shuffled with a fixed seed, and of a few images no exact copy: those are left out, 95 of the training images and 21
    of the test images, so that numbers differ a little from those of a download. Where there is neither, the stand-in
    of `data.stand_in` is used, in three equal colours, and said so.

    Raises ValueError for an unknown split or a corrupt file, FileNotFoundError if L2L_DATA is set but incomplete.
    """
    return part(split, *_official(), shares=SHARES)


@cache
def grey_cifar10(split: str) -> Images:
    """The luminance of the 28×28 pixels in the middle of CIFAR-10's photographs: uint8 `[N, 784]`, as `mnist` has."""
    images = cifar10(split)
    planes = images.pixels.view(-1, 3, 32, 32)[:, :, 2:-2, 2:-2]
    grey = sum(weight * planes[:, colour].float() for colour, weight in enumerate(GREY))
    pixels = grey.round().clamp(0, 255).to(torch.uint8).flatten(1)
    return Images(pixels, images.labels, images.origin, f"{images.source}, grey, 28×28 pixels in the middle")


@cache
def _official() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], str]:
    named = os.environ.get("L2L_DATA")
    if named:
        *train, test = (_read(Path(named) / "cifar10", name) for name in CIFAR_FILES)
        order = torch.randperm(len(test[1]), generator=torch.Generator().manual_seed(0))
        shuffled = test[0][order], test[1][order]
        return (torch.cat([p for p, _ in train]), torch.cat([y for _, y in train])), shuffled, "CIFAR-10"
    try:
        from torchvision.datasets import CIFAR10

        parts = [CIFAR10(Path.home() / ".cache" / "l2l", train=train, download=True) for train in (True, False)]
    except (ImportError, OSError, RuntimeError) as error:
        print(f"CIFAR-10 cannot be downloaded ({type(error).__name__}).")
        (pixels, labels), (test_pixels, test_labels), source = stand_in("CIFAR-10")
        return (_coloured(pixels), labels), (_coloured(test_pixels), test_labels), source
    train, test = ((torch.from_numpy(p.data).movedim(3, 1).flatten(1), torch.tensor(p.targets)) for p in parts)
    return train, test, "CIFAR-10"


def _read(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """The exact images of one file and their labels."""
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(f"L2L_DATA is set, but {folder} lacks {name}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != CIFAR_FILES[name]:
        raise ValueError(f"{path} is corrupt: its sha256 is {found}, it should be {CIFAR_FILES[name]}")
    with np.load(path) as file:
        exact = torch.from_numpy(file["exact"])
        return torch.from_numpy(file["data"])[exact], torch.from_numpy(file["labels"]).long()[exact]


def _coloured(pixels: Tensor) -> Tensor:
    """Grey pictures `[N, 784]` with a black frame in three equal planes: `[N, 3072]`."""
    framed = torch.nn.functional.pad(pixels.view(-1, 1, 28, 28), (2, 2, 2, 2))
    return framed.expand(-1, 3, -1, -1).flatten(1)
