"""A task made of the reader's own module, criterion and data."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from l2l_core.tree import Params, to
from l2l_core.types import Optimizee, Task


@dataclass(frozen=True)
class ModuleTask(Task):
    """`make()` builds a freshly initialised module; `from_module` explains the rest."""

    make: Callable[[], nn.Module]
    criterion: Callable[[Tensor, Tensor], Tensor]
    inputs: Tensor
    targets: Tensor
    batch_size: int
    skeleton: nn.Module

    def sample(self, gen: torch.Generator) -> Optimizee:
        """Initialise the module with PyTorch's generator seeded from `gen`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=gen)))
            fresh = self.make()
        params = {name: p.detach() for name, p in fresh.named_parameters() if p.requires_grad}
        return Optimizee(to(params, self.inputs.device), self.loss, self.batches)

    def batches(self, steps: int, gen: torch.Generator) -> Tensor:
        """Indices of examples `[t, batch_size]`, drawn with replacement."""
        return torch.randint(len(self.inputs), (steps, self.batch_size), generator=gen).to(self.inputs.device)

    def loss(self, params: Params, batch: Tensor) -> Tensor:
        """The criterion on one minibatch."""
        return self.criterion(functional_call(self.skeleton, params, (self.inputs[batch],)), self.targets[batch])


def from_module(
    make: Callable[[], nn.Module],
    criterion: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    batch_size: int = 128,
) -> ModuleTask:
    """Any `nn.Module` as a task: problems differ in their initialisation and in their minibatches.

    `make` returns a freshly initialised module each time it is called, `criterion(outputs, targets)` a scalar;
    `inputs` `[N, …]` and `targets` `[N, …]` hold the data, on the device where training shall run. Parameters that
    do not require a gradient are no part of θ: all problems share them. A module with dropout must come from `make`
    in evaluation mode.

    Raises TypeError if the data are not tensors or `make` is a module; ValueError if they disagree in length, if `make`
    returns one module twice, or if the module keeps state beside its parameters (batch normalisation with running
    statistics, say) or has none to train: a loss must be a pure function of the parameters.
    """
    if not (isinstance(inputs, Tensor) and isinstance(targets, Tensor)):
        raise TypeError(f"inputs and targets must be tensors, got {type(inputs).__name__}, {type(targets).__name__}")
    if isinstance(make, nn.Module):
        raise TypeError("make must build a fresh module at each call, such as `lambda: nn.Linear(3, 1)`, got a module")
    if batch_size < 1:
        raise ValueError(f"a minibatch has at least one example, got batch_size = {batch_size}")
    if len(inputs) != len(targets):
        raise ValueError(f"inputs and targets must pair up, got {len(inputs)} and {len(targets)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # its frozen parameters are used
        skeleton, another = make().to(inputs.device), make()
    if skeleton is another:
        raise ValueError("make must build a fresh module at each call, got the same one twice")
    if not any(p.requires_grad for p in skeleton.parameters()):
        raise ValueError("the module has no parameter that requires a gradient: there is nothing to train")
    buffers = [name for name, _ in skeleton.named_buffers()]
    if buffers:
        raise ValueError(
            f"the module keeps state beside its parameters ({', '.join(buffers)}); a loss must be a pure function "
            "of the parameters. Batch normalisation: pass track_running_stats=False."
        )
    return ModuleTask(make, criterion, inputs, targets, batch_size, skeleton)
