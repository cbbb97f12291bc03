"""A small convolutional network on photographs (Andrychowicz et al. 2016, §3.3)."""

from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, cross_entropy, linear, max_pool2d, relu

from l2l_core.cifar import cifar10
from l2l_core.data import Images
from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""CIFAR-10's labels by number."""

LAYERS = 3
"""Convolutions; each halves the sides of the picture."""


@dataclass(frozen=True)
class CIFARNetwork(Task):
    r"""Three convolutions and two fully connected layers, cross-entropy on fresh minibatches of CIFAR-10.

    Each convolution (5×5, `channels` of them, the same size by padding) is followed by max-pooling over 2×2, batch
    normalisation $(x - \mathrm{mean})/\sqrt{\mathrm{var} + 10^{-5}} + \beta$ and ReLU; then come `hidden` rectified
    units and one output for each of the `classes`, whose labels are numbered anew, 0, 1, …. Normalisation uses the
    minibatch at hand and keeps no running average, so that f(θ, d) is a function. A convolution has no bias: the
    normalisation would take it away again. With ten classes: 22,602 coordinates.

    f(θ, d) = mean cross-entropy (nats) over the images that the indices d `[batch_size]` name, drawn with replacement
    from those images of the set `split` that are of the `classes`; pixels are scaled to [0, 1]. Weights and biases
    start Gaussian with standard deviation `start_std`, β at zero. The paper does not give the deviation; 0.01 is that
    of the released code.

    Raises ValueError for classes that are none, or fewer than two.
    """

    split: str = "train"
    classes: tuple[int, ...] = tuple(range(len(CLASSES)))
    channels: int = 16
    hidden: int = 32
    batch_size: int = 128
    start_std: float = 0.01
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    pixels: Tensor = field(init=False, repr=False, compare=False)
    labels: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = set(self.classes) <= set(range(len(CLASSES)))
        if not known or len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError(f"classes are two or more different numbers from 0 to 9, got {self.classes}")
        images = self.images(self.split)
        # colours last in memory: convolutions and pooling are nearly twice as fast that way
        pictures = images.pixels.view(-1, 3, 32, 32).to(memory_format=torch.channels_last)
        object.__setattr__(self, "pixels", pictures.to(self.device))
        object.__setattr__(self, "labels", images.labels.to(self.device))

    def images(self, split: str) -> Images:
        """The images of a set that are of the task's classes, their labels numbered anew."""
        whole, numbers = cifar10(split), torch.full((len(CLASSES),), -1)
        numbers[list(self.classes)] = torch.arange(len(self.classes))
        chosen = numbers[whole.labels] >= 0
        return Images(whole.pixels[chosen], numbers[whole.labels[chosen]], whole.origin[chosen], whole.source)

    @property
    def source(self) -> str:
        """Where the images come from: "CIFAR-10", or a stand-in's description."""
        return cifar10(self.split).source

    @property
    def together(self) -> float:
        """One on a CPU: there the convolutions of two networks at once take more than twice the time of one's."""
        return 1 if torch.device(self.device).type == "cpu" else inf

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a start; minibatches are streams of image indices."""
        start: Params = {}

        def layer(name: str, *shape: int) -> None:
            start[f"{name}.weight"] = self.start_std * torch.randn(*shape, generator=gen, dtype=self.dtype)

        def bias(name: str, size: int) -> None:
            start[f"{name}.bias"] = self.start_std * torch.randn(size, generator=gen, dtype=self.dtype)

        for k in range(LAYERS):
            layer(f"conv{k}", self.channels, 3 if k == 0 else self.channels, 5, 5)
            start[f"conv{k}.offset"] = torch.zeros(self.channels, dtype=self.dtype)
        layer("hidden", self.hidden, self.channels * (32 >> LAYERS) ** 2)
        bias("hidden", self.hidden)
        layer("output", len(self.classes), self.hidden)
        bias("output", len(self.classes))
        return Optimizee(to(start, self.device), self.loss, self.batches)

    def batches(self, steps: int, gen: torch.Generator) -> Tensor:
        """Image indices `[t, batch_size]`."""
        return torch.randint(len(self.labels), (steps, self.batch_size), generator=gen).to(self.device)

    def logits(self, params: Params, pixels: Tensor) -> Tensor:
        """The network: pixels of 0 … 255 `[·, 3, 32, 32]` to `[·, classes]`; all of them are one minibatch."""
        x = pixels.to(self.dtype) / 255
        for k in range(LAYERS):
            x = max_pool2d(conv2d(x, params[f"conv{k}.weight"], padding=2), 2)
            x = relu(batch_norm(x, None, None, bias=params[f"conv{k}.offset"], training=True))
        x = relu(linear(x.flatten(1), params["hidden.weight"], params["hidden.bias"]))
        return linear(x, params["output.weight"], params["output.bias"])

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(θ, d) for one network."""
        return cross_entropy(self.logits(params, self.pixels[batch]), self.labels[batch])


def kernels_apart(name: str, shape: torch.Size) -> str:
    """The group of a tensor: "kernels" for those of convolutions, "rest" for all others (biases, β, fully connected).

    Source: Andrychowicz et al. 2016, §3.3, and DeepMind's released code for where biases and β go.
    """
    return "kernels" if len(shape) == 4 else "rest"
