"""Small networks on MNIST (Andrychowicz et al. 2016, §3.2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from l2l_core.data import Images, mnist
from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task


@dataclass(frozen=True)
class MNISTNetwork(Task):
    r"""A fully connected network 784–`width`–…–10 with cross-entropy on fresh minibatches.

    f(θ, d) = mean cross-entropy (nats) over the images that the indices d `[batch_size]` name, drawn with
    replacement from the image set `split`; the same minibatch gives the value and the gradient. All weights
    and biases start Gaussian with standard deviation `start_std` (the paper does not give it; 0.01 reproduces
    its curves' plateau). With width 20 and one hidden layer: 15,910 coordinates.

    `pool` = 2 or 4 averages squares of so many pixels a side, for a network that is cheaper to train: 196 or 49
    inputs instead of 784, 4,150 or 1,210 coordinates. `images` finds a set of other pictures of 28×28 pixels. Raises
    ValueError for a `pool` that does not divide 28.
    """

    split: str = "train"
    width: int = 20
    depth: int = 1
    activation: Callable[[Tensor], Tensor] = torch.sigmoid
    start_std: float = 0.01
    batch_size: int = 128
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    pool: int = field(default=1, repr=False)  # `source` says it, and the checkpoints of before know no such field
    images: Callable[[str], Images] = field(default=mnist, repr=False)  # likewise
    pixels: Tensor = field(init=False, repr=False, compare=False)
    labels: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        images = self.images(self.split)
        object.__setattr__(self, "pixels", pooled(images.pixels, self.pool).to(self.device))
        object.__setattr__(self, "labels", images.labels.to(self.device))

    @property
    def source(self) -> str:
        """Where the images come from, "MNIST" or a stand-in's description, say; and how they were made smaller."""
        smaller = f", averaged over {self.pool}×{self.pool} pixels" if self.pool > 1 else ""
        return self.images(self.split).source + smaller

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Draw a start; minibatches are streams of image indices."""
        widths = [self.pixels.shape[1]] + [self.width] * self.depth + [10]
        start = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
            start[f"{layer}.weight"] = self.start_std * torch.randn(fan_out, fan_in, generator=gen, dtype=self.dtype)
            start[f"{layer}.bias"] = self.start_std * torch.randn(fan_out, generator=gen, dtype=self.dtype)
        return Optimizee(to(start, self.device), self.loss, self.batches)

    def batches(self, steps: int, gen: torch.Generator) -> Tensor:
        """Image indices `[t, batch_size]`."""
        return torch.randint(len(self.labels), (steps, self.batch_size), generator=gen).to(self.device)

    def logits(self, params: Params, pixels: Tensor) -> Tensor:
        """The network: pixels of 0 … 255 `[·, 784]` (fewer when pooled), scaled to [0, 1], to `[·, 10]`."""
        x = pixels.to(params["0.weight"].dtype) / 255
        for layer in range(self.depth):
            x = self.activation(torch.nn.functional.linear(x, params[f"{layer}.weight"], params[f"{layer}.bias"]))
        return torch.nn.functional.linear(x, params[f"{self.depth}.weight"], params[f"{self.depth}.bias"])

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """f(θ, d) for one network."""
        return cross_entropy(self.logits(params, self.pixels[batch]), self.labels[batch])


def pooled(pixels: Tensor, side: int) -> Tensor:
    """Means over squares of `side` × `side` pixels: `[N, 784]` to `[N, (28/side)²]`; unchanged for side 1."""
    if side < 1 or 28 % side:
        raise ValueError(f"28 × 28 pixels do not divide into squares of {side} × {side}")
    if side == 1:
        return pixels
    return pixels.view(-1, 28 // side, side, 28 // side, side).float().mean((2, 4)).flatten(1)
