"""Trees of tensors: the few operations the package needs on parameters, states and batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

Params = dict[str, Tensor]
"""Named tensors: what `named_parameters`, `torch.func.functional_call` and `vmap` speak."""


def map_tree(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply `function` leaf by leaf to trees of one structure (dicts, tuples, named tuples)."""
    return pytree.tree_map(function, *trees)


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of a tree, in its own fixed order."""
    return pytree.tree_leaves(tree)


def with_leaves(tree: Any, new: list[Tensor]) -> Any:
    """A tree of the structure of `tree` that holds the leaves `new`."""
    return pytree.tree_unflatten(new, pytree.tree_structure(tree))


def ravel(params: Params) -> Tensor:
    """All coordinates of one optimizee in one vector, tensor after tensor: `[n]`."""
    return torch.cat([p.reshape(-1) for p in params.values()])


def unravel(flat: Tensor, like: Params) -> Params:
    """The inverse of `ravel`: cut `flat` `[n]` into tensors named and shaped as in `like`."""
    pieces = flat.split([p.numel() for p in like.values()])
    return {name: piece.view(p.shape) for (name, p), piece in zip(like.items(), pieces, strict=True)}


def stack(trees: list[Any]) -> Any:
    """Many optimizees as one tree: every leaf gains a leading task axis `b`."""
    return map_tree(lambda *leaf: torch.stack(leaf), *trees)


def detach(tree: Any) -> Any:
    """The same values, cut off from the graph that computed them."""
    return map_tree(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, tree)


def to(tree: Any, device: torch.device | str) -> Any:
    """The tree's tensors on `device`."""
    return map_tree(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, tree)
