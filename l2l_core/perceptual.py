"""Networks whose activations say what a picture shows and how it is painted (Gatys et al. 2015)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from l2l_core.tree import Params

Features = dict[str, Tensor]
"""Activations by layer: `[channels, height, width]`."""
Network = Callable[[Params, Tensor], Features]
"""From weights and a picture `[3, height, width]` in [0, 1] to the activations of some layers."""

VGG_LAYERS = ("1_1", "1_2", "2_1", "2_2", "3_1")
POOLED = ("1_2", "2_2")
MEANS = (103.939, 116.779, 123.68)
"""Blue, green and red of the mean photograph, 0 … 255."""


def vgg(weights: Params, picture: Tensor, edges: str = "reflect") -> Features:
    """VGG-19 up to relu3_1: convolutions of 3×3, max-pooling over 2×2 after 1_2 and 2_2.

    Pictures are continued over their `edges`: "reflect", or "constant" for zeros.
    Source: Simonyan and Zisserman 2015, with the weights that Gatys et al. 2015 scaled to a mean activation of 1.
    """
    x, found = conv2d(picture.unsqueeze(0), weights["preprocess.weight"], weights["preprocess.bias"]), {}
    for layer in VGG_LAYERS:
        x = relu(conv2d(pad(x, (1, 1, 1, 1), edges), weights[f"conv{layer}.weight"], weights[f"conv{layer}.bias"]))
        found[f"relu{layer}"] = x[0]
        if layer in POOLED:
            x = max_pool2d(x, 2)
    return found


def squeezenet(weights: Params, picture: Tensor) -> Features:
    """SqueezeNet 1.1 up to its module fire5: the first convolution and four modules (Iandola et al. 2016)."""
    x = 255 * picture.flip(0).unsqueeze(0) - picture.new_tensor(MEANS).view(1, 3, 1, 1)
    x, found = relu(conv2d(x, weights["conv1.weight"], weights["conv1.bias"], stride=2)), {}
    found["conv1"] = x[0]
    for k in range(2, 6):
        if k % 2 == 0:
            x = max_pool2d(x, 3, 2)
        x = _fire(weights, f"fire{k}", x)
        found[f"fire{k}"] = x[0]
    return found


def _fire(weights: Params, name: str, x: Tensor) -> Tensor:
    x = relu(conv2d(x, weights[f"{name}.squeeze1x1.weight"], weights[f"{name}.squeeze1x1.bias"]))
    point, patch = (
        conv2d(x, weights[f"{name}.expand{side}.weight"], weights[f"{name}.expand{side}.bias"], padding=margin)
        for side, margin in (("1x1", 0), ("3x3", 1))
    )
    return relu(torch.cat([point, patch], 1))


_PADDED = partial(vgg, edges="constant")
NETWORKS: dict[str, Network] = {"vgg": vgg, "squeezenet": squeezenet, "torchvision": _PADDED, "random": _PADDED}
"""Perceptual networks by name; the last two have VGG's shape, and other weights."""


def gram(activations: Tensor) -> Tensor:
    r"""$G = FF^\top/(hw)$ for activations F `[channels, h, w]`, taken as `[channels, hw]`: which occur together."""
    flat = activations.flatten(1)
    return flat @ flat.T / flat.shape[1]


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute difference between neighbouring pixels of `[3, height, width]`, down and across."""
    down, across = picture.diff(dim=1).abs(), picture.diff(dim=2).abs()
    return (down.sum() + across.sum()) / (down.numel() + across.numel())
