"""The networks among the optimizees, as modules."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from benchmarks.workloads import Workload


class MLP(nn.Sequential):
    """Fully connected with sigmoids, on uint8 pixels `[·, 784]`; layers are called 0, 1, …."""

    def __init__(self, *widths: int):
        super().__init__(*(nn.Linear(*pair) for pair in pairwise([784, *widths, 10])))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits `[·, 10]`."""
        *hidden, last = self
        x = pixels.float() / 255
        for layer in hidden:
            x = torch.sigmoid(layer(x))
        return last(x)


class ConvNet(nn.Sequential):
    """Three 5×5 convolutions with pooling, then 32 units, on uint8 pixels `[·, 3, 32, 32]`."""

    def __init__(self, channels: int):
        convolutions = (nn.Conv2d(c, channels, 5, padding=2) for c in (3, channels, channels))
        super().__init__(*convolutions, nn.Linear(16 * channels, 32), nn.Linear(32, 10))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits `[·, 10]`."""
        x = pixels.float() / 255
        convolutions, (hidden, last) = list(self)[:3], list(self)[3:]
        for convolution in convolutions:
            x = max_pool2d(convolution(x), 2).relu()
        return last(hidden(x.flatten(1)).relu())


def network(workload: Workload) -> nn.Module:
    """The workload's network, freshly initialised."""
    return ConvNet(workload.size) if workload.family == "convnet" else MLP(workload.size, *workload.deeper)
