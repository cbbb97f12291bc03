"""Paint any photograph like any painting, by any rule, and watch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from l2l_core.evaluation import generator
from l2l_core.gallery import PAINTINGS, painting
from l2l_core.images import load_image, square
from l2l_core.perceptual_weights import present
from l2l_core.recipes.neural_art import LAYERS
from l2l_core.rule import Rule
from l2l_core.tasks.neural_art import NeuralArt
from l2l_core.tree import stack
from l2l_core.unroll import Unroll

Picture = str | Path | BinaryIO | Tensor
"""A file, or colours in [0, 1] as `[3, height, width]`."""


class Stroke(NamedTuple):
    """A picture `[3, side, side]` after `step` updates, not yet clipped to [0, 1], and its loss."""

    step: int
    loss: float
    picture: Tensor


def canvas(
    photograph: Picture, style: Picture, side: int = 64, network: str | None = None, **weights: Any
) -> NeuralArt:
    """The task of painting one photograph, `side` pixels wide, like a painting taken twice as wide.

    `style` may also be one of `gallery.PAINTINGS` by name. `network` defaults to the best there is here
    (`perceptual_weights.present`); `weights` are `content_weight`, `style_weight`, `smoothness`.

    Raises what `load_image` and `square` raise; ValueError for a side under 16, where the deepest layers see nothing,
    for weights that are negative or not numbers, or for an unknown network.
    """
    if side < 16:
        raise ValueError(f"a picture is at least 16 pixels wide, got {side}")
    if wrong := {name: w for name, w in weights.items() if not 0 <= w < torch.inf}:
        raise ValueError(f"weights of the loss are 0 or more, got {wrong}")
    network = network or present()
    if network not in LAYERS:
        raise ValueError(f"unknown perceptual network {network!r}; there are {', '.join(LAYERS)}")
    look = (
        painting(style, 2 * side) if isinstance(style, str) and style in PAINTINGS else square(_read(style), 2 * side)
    )
    contents = square(_read(photograph), side).unsqueeze(0)
    return NeuralArt(contents, look, "a reader's own", network=network, **LAYERS[network], **weights)


def paint(task: NeuralArt, rule: Rule, steps: int = 128, *, every: int = 8, seed: object = 0) -> Iterator[Stroke]:
    """Let a rule paint the first photograph of `task`: the picture at its start, `every` so many steps, and at its end.

    The start's noise comes from `seed`. Raises ValueError for `steps` or `every` < 1, and FloatingPointError when the
    picture is no longer finite.
    """
    if steps < 1 or every < 1:
        raise ValueError(f"there is nothing to paint: steps = {steps}, every = {every}")
    gen, phi = generator("paint", seed), dict(rule.named_parameters())
    problem = task.problem(0, gen)
    data = problem.batches(steps + 1, gen).unsqueeze(0)
    unroll = Unroll(rule, steps)
    # not around the loop: between two strokes gradients are the caller's own
    with torch.no_grad():
        carry = unroll.start(phi, problem.loss, stack([problem.params]), data[:, 0])
    yield Stroke(0, float(carry.loss), carry.params["picture"][0])
    for first in range(0, steps, every):
        with torch.no_grad():
            _, carry = unroll(phi, problem.loss, carry, data[:, first + 1 : min(first + every, steps) + 1])
        if not carry.params["picture"].isfinite().all():
            raise FloatingPointError(f"the picture is not finite after {carry.step} steps: this rule diverges on it")
        yield Stroke(carry.step, float(carry.loss), carry.params["picture"][0])


def _read(picture: Picture) -> Tensor:
    return picture if isinstance(picture, Tensor) else load_image(picture)
