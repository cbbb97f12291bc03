"""Trees of tensors: the few operations the package needs on parameters, states and batches."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Params = dict[str, Tensor]
"""Named tensors: what `named_parameters`, `torch.func.functional_call` and `vmap` speak."""


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` leaf by leaf to trees of one structure (dicts, lists, tuples, named tuples)."""
    # as torch.utils._pytree does, in a quarter of the time: a step of a small optimizee is little else
    if isinstance(tree, dict):
        return {key: map_tree(function, part, *[other[key] for other in others]) for key, part in tree.items()}
    if isinstance(tree, tuple | list):
        parts = [map_tree(function, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return function(tree, *others)


def leaves(tree: Any) -> list[Any]:
    """What `map_tree` would visit, in that order."""
    found: list[Any] = []
    map_tree(found.append, tree)
    return found


def with_leaves(tree: Any, new: list[Any]) -> Any:
    """A tree of the structure of `tree` that holds the leaves `new`. Raises ValueError for another number of them."""
    if (count := len(leaves(tree))) != len(new):
        raise ValueError(f"the tree has {count} leaves, got {len(new)}")
    following = iter(new)
    return map_tree(lambda _: next(following), tree)


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
