"""`torch.optim.Adam`: what a step costs without a network in it."""

import torch

from benchmarks.problem import Arrays, Problem
from benchmarks.sides.given import flat, with_gradients

# PyTorch imports much with the first optimizer: a part of what importing takes
torch.optim.Adam([torch.zeros(1)]).step()


class Adam:
    """See `Side`; it only steps."""

    def __init__(self, problem: Problem):
        self.params = with_gradients(problem)
        self.optimizer = torch.optim.Adam(self.params.values(), lr=1e-3)

    def step(self, count: int) -> Arrays:
        """Steps on the gradient given."""
        for _ in range(count):
            self.optimizer.step()
        return flat(self.params)


SIDE = Adam
