"""The same with the C kernel that paper-scale runs use."""

from benchmarks.problem import Arrays
from benchmarks.sides import Window
from benchmarks.sides.ours import Ours
from l2l_core import kernel


class Compiled(Ours):
    """See `Side`."""

    def train(self, count: int) -> Window:
        """Windows of `tbptt`."""
        with kernel.enabled():
            return super().train(count)

    def evaluate(self, count: int) -> Arrays:
        """Runs of `evaluate`."""
        with kernel.enabled():
            return super().evaluate(count)

    def step(self, count: int) -> Arrays:
        """Steps of `RuleOptimizer`."""
        with kernel.enabled():
            return super().step(count)


SIDE = Compiled
