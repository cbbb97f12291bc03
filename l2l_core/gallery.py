"""Photographs to paint and paintings to paint like: where they are found, and what stands in for them."""

import hashlib
import io
import os
import sys
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from l2l_core.images import load_image, loaded, square
from l2l_core.store import read_json

SETS = {"train": 1800, "validation": 20, "test": 100}
"""Photographs a set, as in Andrychowicz et al. 2016, §3.4."""

ARCHIVES = {
    "content64-1800-20-100.tar": "8cd9fa8829737f1506e3e20b347e916cc6468663345c3646b1d62ce90f691c19",
    "content256-120.tar": "09394dd8e4238e4b73ad77d760fce5957b379383b23569cdcce8fffbaf1b5d55",
}
"""The archives of `$L2L_DATA/content` and their sha256 sums: small photographs in three sets, larger ones for tests."""

PAINTINGS = {
    "starry_night": "Vincent van Gogh, The Starry Night, 1889",
    "wave": "Katsushika Hokusai, The Great Wave off Kanagawa, about 1831",
    "shipwreck": "William Turner, The Wreck of a Transport Ship, about 1810",
    "the_scream": "Edvard Munch, The Scream, 1893",
    "kandinsky": "Wassily Kandinsky, Composition VII, 1913",
}
"""The paintings of `$L2L_DATA/style`, all in the public domain, by name."""


THUMBNAILS = Path(__file__).parent / "results" / "neural-art" / "pictures.json"
"""Where `python -m l2l_core.pictures` has stored every painting, 128 pixels wide."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Photographs `[N, 3, side, side]` in [0, 1], their names, and where they come from."""

    pixels: Tensor
    names: tuple[str, ...]
    source: str


@cache
def photographs(split: str, side: int = 64) -> Pictures:
    """The photographs of a set (one of `SETS`), square, `side` pixels wide.

    From `$L2L_DATA/content`: ImageNet photographs of 64 pixels; validation and tests at larger sides take other, larger
    photographs.
    Without L2L_DATA torchvision's Imagenette is downloaded, whose photographs of training give all three sets. Where
    there is neither, cut-outs of scikit-learn's two sample photographs stand in, and that is said.

    Raises ValueError for an unknown set, a corrupt archive, a download that was broken off, or a side over 64 in
    training with the archives; FileNotFoundError if L2L_DATA is set but incomplete.
    """
    if split not in SETS:
        raise ValueError(f"unknown set {split!r}; there are {', '.join(SETS)}")
    named = os.environ.get("L2L_DATA")
    if named:
        return _archived(Path(named) / "content", split, side)
    try:
        from torchvision.datasets import Imagenette

        whole = Imagenette(Path.home() / ".cache" / "l2l", "train", "160px", download=not _imagenette().is_dir())
    except (ImportError, OSError, RuntimeError) as error:
        print(f"Imagenette cannot be downloaded ({type(error).__name__}).")
        return _stand_in(split, side)
    if len(whole) < sum(SETS.values()):
        few = f"Imagenette has {len(whole)} photographs here, too few for {sum(SETS.values())}"
        raise ValueError(f"{few}; delete {_imagenette()} to download it again")
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0)).tolist()
    before = {"train": 0, "validation": SETS["train"], "test": SETS["train"] + SETS["validation"]}[split]
    files = [Path(whole._samples[k][0]) for k in order[before : before + SETS[split]]]
    pixels = torch.stack([square(load_image(file), side) for file in files])
    return Pictures(pixels, tuple(file.name for file in files), "Imagenette")


def _imagenette() -> Path:
    return Path.home() / ".cache" / "l2l" / "imagenette2-160"


def _archived(folder: Path, split: str, side: int) -> Pictures:
    larger = side > 64
    if larger and split == "train":
        raise ValueError(f"photographs of train are 64 pixels wide, asked for {side}; larger ones are for tests")
    name = list(ARCHIVES)[larger]
    path = folder / name
    if not path.exists():
        raise FileNotFoundError(f"L2L_DATA is set, but {folder} lacks {name}")
    packed = path.read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != ARCHIVES[name]:
        raise ValueError(f"{path} is corrupt: its sha256 is {found}, it should be {ARCHIVES[name]}")
    part = "content256/" if larger else f"content64/{'valid' if split == 'validation' else split}/"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = sorted((m for m in archive if m.isfile() and m.name.startswith(part)), key=lambda m: m.name)
        if larger:  # sorted by what they show, of which validation takes every sixth
            members = [m for k, m in enumerate(members) if (k % 6 == 5) == (split == "validation")]
        if larger and split == "test":  # for a test goes through them in turn, and its first few should be any few
            order = torch.randperm(len(members), generator=torch.Generator().manual_seed(0))
            members = [members[k] for k in order]
        pictures = [square(load_image(archive.extractfile(m)), side) for m in members]
    return Pictures(torch.stack(pictures), tuple(Path(m.name).stem for m in members), "ImageNet")


def _stand_in(split: str, side: int) -> Pictures:
    source = "stand-in: cut-outs of scikit-learn's two sample photographs"
    print(f"No photographs here: running on the {source}. Numbers will differ from the book's.")
    sys.stdout.flush()
    gen = torch.Generator().manual_seed(list(SETS).index(split))
    temple, flower = samples()
    whole = {"train": temple[:, :, :400], "validation": temple[:, :, 400:], "test": flower}[split]
    cuts = []
    for _ in range(min(SETS[split], 40)):
        edge = int(torch.randint(100, 240, (), generator=gen))
        top, left = (int(torch.randint(0, size - edge + 1, (), generator=gen)) for size in whole.shape[1:])
        cuts.append(square(whole[:, top : top + edge, left : left + edge], side))
    return Pictures(torch.stack(cuts), tuple(f"cut {k}" for k in range(len(cuts))), source)


@cache
def samples() -> tuple[Tensor, Tensor]:
    """Scikit-learn's two sample photographs, a temple and a flower: `[3, 427, 640]`."""
    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise ImportError("the stand-in photographs need scikit-learn: pip install 'l2l-core[book]'") from error
    temple, flower = (torch.tensor(image).permute(2, 0, 1).float() / 255 for image in load_sample_images().images)
    return temple, flower


@cache
def painting(name: str, side: int) -> Tensor:
    """The square in the middle of a painting, `[3, side, side]`; one of `PAINTINGS`, from `$L2L_DATA/style`.

    Without L2L_DATA from the thumbnails that come with the book, which is said where they are enlarged. Raises
    ValueError for an unknown painting, FileNotFoundError if L2L_DATA is set but incomplete, or there are no thumbnails.
    """
    if name not in PAINTINGS:
        raise ValueError(f"unknown painting {name!r}; there are {', '.join(PAINTINGS)}")
    named = os.environ.get("L2L_DATA")
    if not named:
        if not THUMBNAILS.exists():
            raise FileNotFoundError(f"there is no painting here: L2L_DATA is not set, and there is no {THUMBNAILS}")
        thumbnail = loaded(read_json(THUMBNAILS)["paintings"][name])
        if side > len(thumbnail[0]):
            print(f"The painting {name!r} is {len(thumbnail[0])} pixels wide here; it is enlarged to {side}.")
        return square(thumbnail, side)
    path = Path(named) / "style" / f"{name}.jpg"
    if not path.exists():
        raise FileNotFoundError(f"L2L_DATA is set, but {path.parent} lacks {path.name}")
    return square(load_image(path), side)
