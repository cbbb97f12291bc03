"""Self-checks of the chapter on neural art."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from l2l_core.exercises.compare import Hint, compare
from l2l_core.perceptual import gram, total_variation


def memory(answer: Any) -> Hint:
    """neural-art-1: numbers remembered for each coordinate by the LSTM, Adam and L-BFGS with 100 pairs."""
    traps = {
        "a unit of an LSTM has a hidden and a cell state, and there are two layers of 20.": [40, 2, 200],
        "there are two layers of 20 units.": [20, 2, 200],
        "Adam remembers a mean and a mean square.": [80, 1, 200],
        "a pair is two vectors: a step, and how the gradient changed along it.": [80, 2, 100],
    }
    return compare(answer, [80, 2, 200], traps, rtol=1e-9)


def lone_pixel(answer: Any) -> Hint:
    """neural-art-2: total variation of one white pixel inside a black picture of 8×8."""
    picture = torch.zeros(3, 8, 8).double()
    picture[:, 4, 3] = 1
    edges = 3 * 2 * 7 * 8
    traps = {
        "that is the sum; the total variation here is the mean over pairs of neighbours.": 12,
        "a pixel has four neighbours: above, below, left, right.": 6 / edges,
        "neighbours are counted, not pixels: 7·8 pairs down and as many across, in each of three colours.": 12 / 192,
        "all three colours jump, and pairs are counted in all three.": 4 / edges,
    }
    return compare(answer, total_variation(picture), traps, rtol=1e-3)


def style_gradient(function: Callable[[Tensor, Tensor], Tensor]) -> Hint:
    """neural-art-4: the gradient of ‖G(F) − A‖² with respect to F `[channels, places]`, by hand."""
    gen = torch.Generator().manual_seed(3)
    features = torch.randn(4, 6, generator=gen).double().requires_grad_()
    target = gram(torch.randn(4, 7, generator=gen).double())
    (truth,) = torch.autograd.grad((gram(features) - target).square().sum(), features)
    with torch.no_grad():
        off = gram(features) - target
        traps = {
            "F stands in G twice, FFᵀ: the derivative has both.": truth / 2,
            "the square's own factor of 2 is missing, and F stands in G twice.": truth / 4,
            "G is divided by the number of places, and so is its derivative.": truth * 6,
            "that is the derivative with respect to G; go on to F.": 2 * off,
        }
        return compare(function(features.detach(), target), truth, traps, rtol=1e-6)


CHECKS: dict[str, Callable[[Any], Hint]] = {
    "neural-art-1": memory,
    "neural-art-2": lone_pixel,
    "neural-art-4": style_gradient,
}
"""By exercise."""
