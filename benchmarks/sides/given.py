"""Tensors whose gradients are given: what an optimizer's `step` is timed on."""

import torch
from torch import Tensor

from benchmarks.problem import Arrays, Problem


def with_gradients(problem: Problem) -> dict[str, Tensor]:
    """θ_0 as PyTorch's optimizers take it: named tensors whose `grad` is the gradient given."""
    params = {name: torch.from_numpy(p.copy()).requires_grad_() for name, p in problem.params.items()}
    pieces = torch.from_numpy(problem.data["gradient"]).split([p.numel() for p in params.values()])
    for p, piece in zip(params.values(), pieces, strict=True):
        p.grad = piece.view(p.shape)
    return params


def flat(params: dict[str, Tensor]) -> Arrays:
    """All coordinates in one vector."""
    return torch.cat([p.detach().flatten() for p in params.values()]).numpy()
