"""The least time that a step could take on this machine: arithmetic that nobody avoids, at measured rates.

Of n coordinates, two layers of h units and f features, a step of evaluation needs

    seconds / n = Σ_layers 2·4h·k / gemm_forward + 2·5h / transcendental

with k = f + h + 1 and 2h + 1 inputs a layer, and five calls of σ or tanh a unit, all at the rate of the faster of the
two, for tanh x = 2σ(2x) − 1. A step of meta-training needs the two products of the backward pass in addition,

    Σ_layers 2·4h·k' / gemm_inputs + 2·4h·k / gemm_weights

with k' = h and 2h (features are constants, and so is the bias's input), and no further σ: gates may be kept. To that
comes the optimizee's own gradient on its minibatch: 6 FLOP a weight and image, less 2 where inputs are constants.
Memory traffic, additions, the read-out and dispatch count nothing. Coordinates without any gradient are counted as
all others are, so a side that finds and skips them may come nearer to the floor than arithmetic alone would let it.
"""

from typing import Any

from benchmarks.problem import Problem
from benchmarks.roofline import HIDDEN, PRODUCTS


def floor(problem: Problem, mode: str, rates: dict[str, Any]) -> float:
    """Seconds a step, for the MLP of a problem file."""
    n = sum(p.size for p in problem.params.values())
    gemm, calls = rates["gemm"], max(rates["sigmoid"], rates["tanh"])
    seconds = 10 * HIDDEN * n / calls
    for layer, (k, back) in enumerate(PRODUCTS):
        flops = 2 * 4 * HIDDEN * n
        seconds += flops * k / gemm[f"forward{layer}"]
        if mode == "train":
            seconds += flops * (back / gemm[f"inputs{layer}"] + k / gemm[f"weights{layer}"])
    return seconds + optimizee_flops(problem) / max(gemm.values())


def optimizee_flops(problem: Problem) -> int:
    """FLOPs of one gradient of an MLP's loss."""
    first, *rest = (p.size for p in problem.params.values() if p.ndim == 2)
    return problem.workload.batch_size * (4 * first + 6 * sum(rest))
