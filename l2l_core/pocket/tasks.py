"""The ten tasks of the pocket benchmark, each another kind of problem, all small enough for a laptop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from l2l_core.pocket.data import ALPHABET, digits, phrases
from l2l_core.tasks.factorisation import Factorisation
from l2l_core.tasks.mnist import MNISTNetwork
from l2l_core.tasks.module import ModuleTask, from_module
from l2l_core.tasks.quadratic import Quadratic
from l2l_core.tasks.surfaces import Landscape, Surface
from l2l_core.tasks.wrappers import Noisy
from l2l_core.types import Task

BASELINES = ["sgd", "nag", "rmsprop", "adam", "adam-cosine"]
"""The paper's four, and Adam with a decay to the known end."""

BATCH = 64
"""Examples in a minibatch of each task that has data."""

MINIBATCHES = 10
"""Steps over which the loss of a task with minibatches is averaged, to see it through their noise."""

WINDING = Surface(scale=0.5, condition=60.0, angle=0.2, bend=0.8, centre=(0.6, -0.4))
"""In the manner of Rosenbrock's function: whoever has come down into the valley still has to follow it."""


@dataclass(frozen=True)
class PocketTask:
    """One task of the benchmark: what is optimised, as `task(split)`, and where tuning the baselines' rates starts.

    Losses are means over the last `average` steps. `split` is one of "train", "validation" and "test"; tasks without
    data ignore it, their problems being new every time.
    """

    summary: str
    task: Callable[[str], Task]
    rates: Mapping[str, float]
    average: int = 1


class Recurrent(nn.Module):
    """A plain recurrent network that reads characters `[B, length]` and guesses the next: logits `[B, letters]`."""

    def __init__(self, letters: int = len(ALPHABET), width: int = 24):
        super().__init__()
        self.read = nn.Linear(letters, width, bias=False)
        self.recur, self.write = nn.Linear(width, width), nn.Linear(width, letters)

    def forward(self, characters: Tensor) -> Tensor:
        """h ← tanh(R x + W h + b) over the characters, from h = 0; then the logits."""
        read = self.read.weight.T[characters]
        h = torch.zeros_like(read[:, 0])
        for x in read.unbind(1):
            h = torch.tanh(x + self.recur(h))
        return self.write(h)


def _classifier(split: str, make: Callable[[], nn.Module], *shape: int) -> ModuleTask:
    """A module that names digits, shown as pixels of 0 … 1 in `shape`; cross-entropy, PyTorch's initialisation."""
    images = digits(split)
    inputs = (images.pixels / 255).view(-1, *shape)
    return from_module(make, nn.functional.cross_entropy, inputs, images.labels, BATCH)


def _softmax() -> nn.Module:
    return nn.Linear(64, 10)


def _relu() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10))


def _convolutional() -> nn.Module:
    first, second = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 12, 3, padding=1)
    halve = nn.MaxPool2d(2)
    return nn.Sequential(first, nn.ReLU(), halve, second, nn.ReLU(), halve, nn.Flatten(), nn.Linear(48, 10))


def _autoencoder() -> nn.Module:
    down, up = (nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 4)), (nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 64))
    return nn.Sequential(*down, *up)


def _painter(split: str) -> ModuleTask:
    """Digits less their mean, in the unit in which that leaves a loss of one: knowing the mean alone is no progress."""
    pixels = digits(split).pixels
    pixels = pixels - pixels.mean(0)
    pixels = pixels / pixels.square().mean().sqrt()
    return from_module(_autoencoder, nn.functional.mse_loss, pixels, pixels, BATCH)


def _speaker(split: str) -> ModuleTask:
    return from_module(Recurrent, nn.functional.cross_entropy, *phrases(split), BATCH)


def _rates(*rates: float) -> dict[str, float]:
    return dict(zip(BASELINES, rates, strict=True))


POCKET: dict[str, PocketTask] = {
    "quadratic": PocketTask(
        "random quadratics in ten dimensions, the paper's",
        lambda split: Quadratic(),
        _rates(0.02, 0.015, 0.05, 0.2, 0.4),
    ),
    "noisy": PocketTask(
        "the same with gradients that are half noise",
        lambda split: Noisy(Quadratic(), 1.0),
        _rates(0.02, 0.01, 0.05, 0.1, 0.15),
    ),
    "valley": PocketTask(
        "a valley that winds, from anywhere around it",
        lambda split: Landscape(WINDING, ((-3.0, 3.0), (-3.0, 3.0))),
        _rates(0.8, 0.02, 0.05, 1.0, 0.7),
    ),
    "factors": PocketTask(
        "a matrix of rank three as a product, from near a saddle",
        lambda split: Factorisation(),
        _rates(5.0, 2.0, 0.015, 0.2, 0.3),
    ),
    "softmax": PocketTask(
        "logistic regression on digits (convex)",
        lambda split: _classifier(split, _softmax, 64),
        _rates(7.0, 2.0, 0.15, 0.5, 0.5),
        MINIBATCHES,
    ),
    "sigmoid": PocketTask(
        "20 sigmoid units on digits, from weights of size 0.01",
        lambda split: MNISTNetwork(split, batch_size=BATCH, images=digits),
        _rates(3.0, 1.0, 0.03, 0.05, 0.03),
        MINIBATCHES,
    ),
    "relu": PocketTask(
        "two layers of 16 rectified units on digits",
        lambda split: _classifier(split, _relu, 64),
        _rates(0.5, 0.15, 0.01, 0.03, 0.05),
        MINIBATCHES,
    ),
    "convolutions": PocketTask(
        "a small convolutional network on digits",
        lambda split: _classifier(split, _convolutional, 1, 8, 8),
        _rates(0.5, 0.15, 0.01, 0.03, 0.05),
        MINIBATCHES,
    ),
    "autoencoder": PocketTask(
        "digits squeezed through four numbers", _painter, _rates(5.0, 1.0, 0.015, 0.03, 0.03), MINIBATCHES
    ),
    "characters": PocketTask(
        "a recurrent network that guesses a sonnet's next letter",
        _speaker,
        _rates(1.5, 0.2, 0.01, 0.05, 0.07),
        MINIBATCHES,
    ),
}
"""Every task by name."""
