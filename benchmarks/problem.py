"""One workload's numbers, drawn once and written to a file that every side reads: nobody is given other work.

Only the process that draws them needs PyTorch; a side that reads them needs NumPy alone.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.workloads import Workload

Arrays = dict[str, np.ndarray]
IMAGES, MINIBATCHES = 10_000, 101
"""In a problem file."""


@dataclass(frozen=True)
class Problem:
    """Starts, weights and data of one workload.

    `params`: θ_0; quadratics have a leading axis of problems, other families are one optimizee. `phi`: the weights
    of each group's LSTM, named as in `CoordinatewiseLSTM`. `batches` `[T, batch_size]`: which images point t sees
    (t modulo T). `data`: what the loss needs, and for optimizer steps `signs` `[n]` and a gradient `[n]`.
    """

    workload: Workload
    params: Arrays
    phi: dict[str, Arrays]
    data: Arrays

    def save(self, path: Path) -> None:
        """Write everything to one file."""
        flat = {f"params/{k}": v for k, v in self.params.items()} | {f"data/{k}": v for k, v in self.data.items()}
        flat |= {f"phi/{group}/{k}": v for group, phi in self.phi.items() for k, v in phi.items()}
        np.savez(path, workload=self.workload.dumps(), **flat)

    @classmethod
    def load(cls, path: Path) -> "Problem":
        """The inverse of `save`."""
        with np.load(path) as file:
            flat = {name: file[name] for name in file.files}
        workload = Workload.loads(str(flat.pop("workload")))
        phi = {group: _below(flat, f"phi/{group}/") for group in workload.weights}
        return cls(workload, _below(flat, "params/"), phi, _below(flat, "data/"))

    @property
    def groups(self) -> dict[str, list[str]]:
        """The names of each group's tensors."""
        names: dict[str, list[str]] = {group: [] for group in self.phi}
        for name, p in self.params.items():
            names["all" if "all" in names else "kernels" if p.ndim == 4 else "rest"].append(name)
        return names

    def points(self, first: int, steps: int) -> np.ndarray:
        """The minibatches that `steps` steps from point `first` arrive at `[steps, batch_size]`."""
        return self.data["batches"][np.arange(first + 1, first + 1 + steps) % len(self.data["batches"])]


def draw(workload: Workload) -> Problem:
    """Draw a workload's numbers, the same on every call."""
    gen = np.random.default_rng(0)
    params, data = _FAMILIES[workload.family](workload, gen)
    shapes = [p.shape for p in params.values()]
    data = {k: np.ascontiguousarray(v) for k, v in data.items()}
    phi, data["signs"] = {}, np.ones(sum(map(np.prod, shapes)), np.float32)
    for group, name in workload.weights.items():
        phi[group], signs = _trained(name, params)
        data["signs"] = data["signs"] if signs is None else signs
    data["gradient"] = 1e-2 * gen.standard_normal(len(data["signs"]), np.float32)
    data.setdefault("batches", gen.integers(IMAGES, size=(MINIBATCHES, workload.batch_size)))
    return Problem(workload, params, phi, data)


def _trained(name: str, params: Arrays) -> tuple[Arrays, np.ndarray | None]:
    """The weights of a trained rule's LSTM, and its signs if it is reflected."""
    import torch

    from l2l_core import load_pretrained
    from l2l_core.rules import Reflected

    rule, signs = load_pretrained(name), None
    if isinstance(rule, Reflected):
        state = rule.init({name: torch.from_numpy(p) for name, p in params.items()})
        signs = np.concatenate([s.numpy().ravel() for s in state.signs.values()])
        rule = rule.rule
    return {name: w.detach().numpy() for name, w in rule.named_parameters()}, signs


def _quadratic(workload: Workload, gen: np.random.Generator) -> tuple[Arrays, Arrays]:
    b, n = workload.b, workload.size
    w, y = gen.standard_normal((b, n, n), np.float32), gen.standard_normal((b, n), np.float32)
    return {"theta": 0.01 * gen.standard_normal((b, n), np.float32)}, {"w": w, "y": y}


def _bowl(workload: Workload, gen: np.random.Generator) -> tuple[Arrays, Arrays]:
    draws = gen.standard_normal((2, workload.size), np.float32)
    return {"theta": 0.01 * draws[0]}, {"y": draws[1]}


def _mlp(workload: Workload, gen: np.random.Generator) -> tuple[Arrays, Arrays]:
    from l2l_core.data import mnist

    params = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise([784, workload.size, *workload.deeper, 10])):
        params[f"{layer}.weight"] = 0.01 * gen.standard_normal((fan_out, fan_in), np.float32)
        params[f"{layer}.bias"] = 0.01 * gen.standard_normal(fan_out, np.float32)
    images = mnist("train")
    some = gen.integers(len(images.labels), size=IMAGES)
    return params, {"images": images.pixels.numpy()[some], "labels": images.labels.numpy()[some]}


def _convnet(workload: Workload, gen: np.random.Generator) -> tuple[Arrays, Arrays]:
    """Three 5×5 convolutions with pooling, then 32 units: the paper's network on CIFAR, without normalisation."""
    c, params = workload.size, {}
    shapes = {"0": (c, 3, 5, 5), "1": (c, c, 5, 5), "2": (c, c, 5, 5), "3": (32, 16 * c), "4": (10, 32)}
    for name, shape in shapes.items():
        bound = np.prod(shape[1:]) ** -0.5
        params[f"{name}.weight"] = gen.uniform(-bound, bound, shape).astype(np.float32)
        params[f"{name}.bias"] = gen.uniform(-bound, bound, shape[0]).astype(np.float32)
    images = gen.integers(256, size=(IMAGES // 10, 3, 32, 32), dtype=np.uint8)
    batches = gen.integers(len(images), size=(MINIBATCHES, workload.batch_size))
    return params, {"images": images, "labels": gen.integers(10, size=len(images)), "batches": batches}


_FAMILIES = {"quadratic": _quadratic, "bowl": _bowl, "mlp": _mlp, "convnet": _convnet}


def _below(flat: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in flat.items() if name.startswith(prefix)}
