"""What this machine can do: rates of the operations that a step of the LSTM cannot avoid, through PyTorch.

    python -m benchmarks.roofline

speaks as `worker` does; each "run 1" answers with one measurement of every rate:

    gemm           FLOP/s of the three products of each layer at h = 20 and two features, by name; of all block widths
                   tried (512 … 16,384 coordinates) the best
    sigmoid, tanh  calls per second on 128 kB, in place
    cache, memory  bytes per second of a copy (read + written) of 128 kB, and of 256 MB
    dispatch       seconds that an operation on one number takes
"""

import json
import sys
import time
from collections.abc import Callable

import torch

BLOCKS = (512, 2048, 16_384)
SECONDS = 0.02
HIDDEN = 20
PRODUCTS = ((2 + HIDDEN + 1, HIDDEN), (HIDDEN + HIDDEN + 1, 2 * HIDDEN))
"""Of each layer: its inputs [x; h; 1], and those of them that need a gradient (features and the one do not)."""


def rate(work: Callable[[], object], amount: float, wall: bool) -> float:
    """`amount` per second of `work()`, the best of three."""
    now = time.perf_counter if wall else time.process_time
    work()
    times, best = 1, 0.0
    for _ in range(3):
        while True:
            start = now()
            for _ in range(times):
                work()
            took = now() - start
            if took >= SECONDS:
                break
            times *= 2
        best = max(best, amount * times / took)
    return best


def product(m: int, k: int, n: int, wall: bool, transposed: bool = False) -> float:
    """FLOP/s of `[m, k]·[k, n]`; `transposed`: the second factor is stored as its transpose."""
    a, out = torch.randn(m, k), torch.empty(m, n)
    b = torch.randn(n, k).T if transposed else torch.randn(k, n)
    return rate(lambda: torch.mm(a, b, out=out), 2 * m * k * n, wall)


def gemms(wall: bool) -> dict[str, float]:
    """FLOP/s of each layer's product forward, of that for its inputs, and of that for its weights."""
    rates = {}
    for layer, (inputs, below) in enumerate(PRODUCTS):
        works = {
            f"forward{layer}": lambda block, k=inputs: product(4 * HIDDEN, k, block, wall),
            f"inputs{layer}": lambda block, k=below: product(k, 4 * HIDDEN, block, wall),
            f"weights{layer}": lambda block, k=inputs: product(4 * HIDDEN, block, k, wall, transposed=True),
        }
        rates |= {name: max(work(block) for block in BLOCKS) for name, work in works.items()}
    return rates


def measure(wall: bool) -> dict[str, float | dict[str, float]]:
    """Every rate, once."""
    small, big = torch.randn(2, 2**15), torch.randn(2, 2**25)
    one = torch.zeros(1)
    calls = small[0].numel()
    return {
        "gemm": gemms(wall),
        "sigmoid": rate(lambda: torch.sigmoid(small[0], out=small[1]), calls, wall),
        "tanh": rate(lambda: torch.tanh(small[0], out=small[1]), calls, wall),
        "cache": rate(lambda: small[1].copy_(small[0]), 8 * calls, wall),
        "memory": rate(lambda: big[1].copy_(big[0]), 8 * big[0].numel(), wall),
        "dispatch": 1 / rate(lambda: torch.add(one, one, out=one), 1, wall),
    }


if __name__ == "__main__":
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(wall=torch.get_num_threads() > 1)), flush=True)
