"""Meta-training over several processes, with PyTorch's own engine under `torchrun`."""

import os

import torch
import torch.distributed as dist

from l2l_core.tree import Params, ravel, unravel


def join(device: str) -> tuple[int, int]:
    """Join the group that `torchrun` announces and return (rank, ranks); alone, that is (0, 1)."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # "cuda" is another card in every process
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


def mean_over_ranks(grads: Params) -> Params:
    """The mean of all processes' gradients, on every process; alone, the gradients themselves."""
    if alone():
        return grads
    flat: torch.Tensor = ravel(grads)
    dist.all_reduce(flat)
    mean = unravel(flat / dist.get_world_size(), grads)
    return {name: g.to(grads[name].dtype) for name, g in mean.items()}


def joined(part: torch.Tensor) -> torch.Tensor:
    """All processes' shares of a batch in one, in order of rank: `[b/ranks, …]` to `[b, …]`. All must call it."""
    if alone():
        return part
    parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.contiguous())
    return torch.cat(parts)


def agreed(decision: bool, device: torch.device | str) -> bool:
    """The writer's decision, on every process. All must call it."""
    if alone():
        return decision
    answer = torch.tensor(int(decision), device=device)
    dist.broadcast(answer, 0)
    return bool(answer)
