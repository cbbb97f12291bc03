"""Meta-training over several processes, with PyTorch's own engine under `torchrun`."""

import os

import torch
import torch.distributed as dist

from l2l_core.tree import Params, ravel, unravel


def join(device: str) -> tuple[int, int]:
    """Join the group that `torchrun` announces and return (rank, ranks); alone, that is (0, 1)."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return dist.get_rank(), dist.get_world_size()


def leave() -> None:
    """Leave the group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def is_writer() -> bool:
    """Whether this process writes files: one of the group does."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


def alone() -> bool:
    """Whether there is no group, or none but this process in it."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1


def gather(share: torch.Tensor) -> torch.Tensor:
    """All processes' shares of a tensor, joined along its first axis, on every process."""
    if alone():
        return share
    shares = [torch.empty_like(share) for _ in range(dist.get_world_size())]
    dist.all_gather(shares, share.contiguous())
    return torch.cat(shares)


def mean_over_ranks(grads: Params) -> Params:
    """The mean of all processes' gradients, on every process; alone, the gradients themselves."""
    if alone():
        return grads
    flat: torch.Tensor = ravel(grads)
    dist.all_reduce(flat)
    return unravel(flat / dist.get_world_size(), grads)
