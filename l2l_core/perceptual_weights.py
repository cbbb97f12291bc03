"""Weights of perceptual networks: those behind the book's numbers, and what readers without them may take."""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from l2l_core.gallery import samples
from l2l_core.images import square
from l2l_core.perceptual import POOLED, VGG_LAYERS
from l2l_core.tree import Params

STORED = {
    "vgg": ("vgg19_normalised_relu3_1.npz", "d80b0191850229406e7d524b7ae86ed12206cfc6c3cc9669f6b71e268444440b"),
    "squeezenet": (
        "squeezenet1_1_features_oihw.npz",
        "327d9a474f32f88a1fd634adcba61c04d5d20170c0e1f350f96f5a22b8041494",
    ),
}
"""The files of `$L2L_DATA/perceptual` and their sha256 sums."""

CHANNELS = dict(zip(VGG_LAYERS, (64, 64, 128, 128, 256), strict=True))
PLACES = dict(zip(VGG_LAYERS, (0, 2, 5, 7, 10), strict=True))
"""Filters of each layer of VGG-19, and where torchvision's `features` has it."""


@cache
def trained(name: str) -> Params:
    """The weights of a perceptual network.

    "vgg" and "squeezenet" are read from `$L2L_DATA/perceptual`. "torchvision" is torchvision's VGG-19, downloaded
    (548 MB, once), a network of the same shape that was trained by other people in another way; "random" has
    filters that were never trained. The former are `normalised` by scikit-learn's two sample photographs; the latter
    are not, for where a filter answers to noise more than to any photograph, that would make it deafening. Numbers
    are comparable within one of the four, never between two.

    Raises ValueError for an unknown name or a corrupt file, FileNotFoundError where there is none.
    """
    if name in STORED:
        return _read(name)
    if name not in ("torchvision", "random"):
        raise ValueError(
            f"unknown perceptual network {name!r}; there are {', '.join([*STORED, 'torchvision', 'random'])}"
        )
    if name == "random":
        return untrained(torch.Generator().manual_seed(0))
    photographs = torch.stack([square(photograph, 128) for photograph in samples()])
    return normalised(from_torchvision(_downloaded()), photographs)


def present() -> str:
    """The name of the best network of VGG's shape whose weights are here; says so where it is not "vgg".

    Without L2L_DATA it tries to download torchvision's, and without a network of any kind takes random filters.
    Raises FileNotFoundError if L2L_DATA is set but incomplete.
    """
    if os.environ.get("L2L_DATA"):
        trained("vgg")
        return "vgg"
    try:
        trained("torchvision")
    except FileNotFoundError as error:
        print(f"{error}. Random filters of VGG's shape stand in: pictures and numbers will differ from the book's.")
        return "random"
    print("The perceptual network is torchvision's VGG-19: another setting, whose numbers are not the book's.")
    return "torchvision"


def _read(name: str) -> Params:
    file, sha256 = STORED[name]
    folder = os.environ.get("L2L_DATA")
    path = Path(folder or "") / "perceptual" / file
    if not folder or not path.exists():
        raise FileNotFoundError(f"no weights for {name!r}: set L2L_DATA to a folder that holds perceptual/{file}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} is corrupt: its sha256 is {found}, it should be {sha256}")
    with np.load(path) as weights:
        return {key: torch.from_numpy(weights[key]) for key in weights.files}


def _downloaded() -> Mapping[str, Tensor]:
    try:
        from torchvision.models import VGG19_Weights

        return VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (ImportError, OSError, RuntimeError) as error:
        raise FileNotFoundError(f"torchvision's VGG-19 cannot be had here ({type(error).__name__})") from error


def from_torchvision(state: Mapping[str, Tensor]) -> Params:
    """The first five convolutions of a VGG-19 in torchvision's layout, and its preprocessing as a 1×1 convolution.

    Torchvision's network takes (colour − mean)/deviation of the photographs of its training.
    """
    deviation = torch.tensor([0.229, 0.224, 0.225])
    weights = {
        "preprocess.weight": torch.diag(1 / deviation)[:, :, None, None],
        "preprocess.bias": -torch.tensor([0.485, 0.456, 0.406]) / deviation,
    }
    for layer, place in PLACES.items():
        weights |= {f"conv{layer}.{kind}": state[f"features.{place}.{kind}"].detach() for kind in ("weight", "bias")}
    return weights


def untrained(gen: torch.Generator) -> Params:
    r"""VGG's shape with Gaussian filters of variance 2/(inputs of a unit) and no biases; colours less ½, times 4.

    Source: Ustyuzhaninov et al. 2016, who synthesise textures with filters that were never trained.
    """
    weights = {"preprocess.weight": 4 * torch.eye(3)[:, :, None, None], "preprocess.bias": torch.full((3,), -2.0)}
    before = 3
    for layer, channels in CHANNELS.items():
        drawn = torch.randn(channels, before, 3, 3, generator=gen)
        weights[f"conv{layer}.weight"] = drawn * (2 / (9 * before)) ** 0.5
        weights[f"conv{layer}.bias"] = torch.zeros(channels)
        before = channels
    return weights


@torch.no_grad()
def normalised(weights: Params, pictures: Tensor) -> Params:
    r"""VGG's filters rescaled one by one, so that each has mean activation 1 over the places of `pictures`.

    ReLU and max-pooling pass positive factors on: with $m_{l,j}$ the mean activation of filter j of layer l, its
    weights become $w_{l,ji}\,m_{l-1,i}/m_{l,j}$, its bias $b_{l,j}/m_{l,j}$, and every activation is the old one
    divided by $m_{l,j}$. A filter that is silent everywhere stays as it is. `pictures` `[N, 3, h, w]` in [0, 1];
    zeros continue them over their edges. Source: Gatys et al. 2015, who normalised over ImageNet.
    """
    x, found = conv2d(pictures, weights["preprocess.weight"], weights["preprocess.bias"]), dict(weights)
    before = x.new_ones(x.shape[1])
    for layer in VGG_LAYERS:
        weight = weights[f"conv{layer}.weight"] * before[None, :, None, None]
        bias = weights[f"conv{layer}.bias"]
        x = relu(conv2d(pad(x, (1, 1, 1, 1)), weight, bias))
        mean = x.mean((0, 2, 3))
        before = torch.where(mean > 0, mean, 1)
        found[f"conv{layer}.weight"], found[f"conv{layer}.bias"] = weight / before[:, None, None, None], bias / before
        x = x / before[:, None, None]
        if layer in POOLED:
            x = max_pool2d(x, 2)
    return found
