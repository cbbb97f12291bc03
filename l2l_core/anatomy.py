"""The anatomy of a meta-gradient: how long, in which direction, carried by which weights, window by window."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from l2l_core.evaluation import generator
from l2l_core.metagrad import draw, graph_free_window, tbptt
from l2l_core.rule import Rule
from l2l_core.tree import Params, detach, map_tree, ravel, stack, unravel
from l2l_core.types import Task
from l2l_core.unroll import Carry, Unroll


def weights_of(rule: Rule) -> Params:
    """The rule's own weights, cut off from any graph."""
    return {name: w.detach().clone() for name, w in rule.named_parameters()}


def meta_gradients(
    rule: Rule, phi: Params, task: Task, episodes: int, *, horizon: int = 100, window: int = 20, seed: object = 0
) -> Tensor:
    """The truncated meta-gradients of independent episodes of one optimizee each, at one φ.

    Returns `[e, w, p]`: episodes, windows of an episode, weights of φ in its own order.
    """
    estimator = tbptt(Unroll(rule, horizon), task, 1, window)
    rows = []
    for episode in range(episodes):
        state, row = estimator.init(generator("anatomy", seed, episode)), []
        for _ in range(horizon // window):
            estimate, state = estimator.step(phi, state)
            row.append(ravel(estimate.grad))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def between_windows(grads: Tensor) -> Tensor:
    """Cosines of the windows of one episode, averaged over episodes: `[e, w, p]` to `[w, w]`."""
    unit = torch.nn.functional.normalize(grads.double(), dim=2)
    return (unit @ unit.mT).mean(0)


def between_episodes(grads: Tensor) -> Tensor:
    """Cosines of the same window of two episodes, averaged over all pairs: `[e, w, p]` to `[w]`."""
    unit = torch.nn.functional.normalize(grads.double(), dim=2).movedim(1, 0)  # [w, e, p]
    e = unit.shape[1]
    if e < 2:
        raise ValueError(f"pairs of episodes need at least two, got {e}")
    cosines = unit @ unit.mT  # [w, e, e]; that of an episode without a gradient with itself is 0, not 1
    return (cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)) / (e * (e - 1))


def shares(grads: Tensor, phi: Params) -> dict[str, Tensor]:
    """The share of the squared norm that falls on each tensor of φ, averaged over episodes: `[w]` each."""
    square = grads.double().square()
    parts = square.split([w.numel() for w in phi.values()], 2)
    whole = square.sum(2)
    return {name: (part.sum(2) / whole).mean(0) for name, part in zip(phi, parts, strict=True)}


def component(grads: Tensor, phi: Params, name: str) -> Tensor:
    """The entries of one single-number weight: `[e, w, p]` to `[e, w]`."""
    index = torch.cat([torch.full((w.numel(),), key == name) for key, w in phi.items()])
    if int(index.sum()) != 1:
        raise ValueError(f"{name!r} is {int(index.sum())} numbers of φ, not one")
    return grads[:, :, index].squeeze(2)


def unit(phi: Params, name: str) -> Tensor:
    """The direction `[p]` that moves all entries of one weight alike, of length one."""
    flat = ravel({key: torch.full_like(w, float(key == name)) for key, w in phi.items()})
    return flat / flat.norm()


def random_unit(phi: Params, seed: object = 0) -> Tensor:
    """A direction `[p]` of length one, uniform on the sphere."""
    flat = torch.randn(sum(w.numel() for w in phi.values()), generator=generator("direction", seed))
    return flat / flat.norm()


class Episodes:
    """Fixed problems with fixed minibatches, on which different φ can be compared: `problems` of `task`.

    The walk of `phi` over them is kept where windows begin: what truncation holds constant.
    """

    def __init__(
        self, rule: Rule, phi: Params, task: Task, problems: int, *, horizon: int = 100, window: int = 20, seed: object
    ):
        self.unroll, self.phi, self.window = Unroll(rule, horizon), phi, window
        gen = generator("episodes", seed)
        some = [task.sample(gen) for _ in range(problems)]
        self.loss, self.theta = some[0].loss, stack([one.params for one in some])
        first, self.data = map_tree(lambda d: d[:, 0], draw(some, 1, gen)), draw(some, horizon, gen)
        self.starts = [self._begin(phi, first)]
        for k in range(horizon // window):
            self.starts.append(self._walk(phi, self.starts[-1], k)[1])
        self.first = first

    def truncated(self, phi: Params) -> Tensor:
        """Mean Σ f(θ_t) over each window `[w]`, every window begun where the unchanged φ had arrived."""
        sums = [self._walk(phi, carry, k)[0] for k, carry in enumerate(self.starts[:-1])]
        return torch.stack(sums)

    def whole(self, phi: Params) -> Tensor:
        """The same of the unbroken walk of `phi`, in which a window inherits what those before it did."""
        carry, sums = self._begin(phi, self.first), []
        for k in range(len(self.starts) - 1):
            total, carry = self._walk(phi, carry, k)
            sums.append(total)
        return torch.stack(sums)

    def gradient(self, steps: int) -> Tensor:
        """The meta-gradient at the unchanged φ, credit reaching over windows of `steps`, summed over them: `[p]`."""
        horizon, carry, total = self.unroll.horizon, self.starts[0], 0
        for start in range(0, horizon, steps):
            data = map_tree(lambda d, s=start: d[:, s : s + steps], self.data)
            estimate, carry = graph_free_window(self.unroll, self.phi, self.loss, carry, data)
            total = total + ravel(estimate.grad)
        return total

    def along(self, direction: Tensor, distances: Sequence[float]) -> dict[str, list[list[float]]]:
        """`truncated` and `whole` at φ + a·direction for every distance a: lists `[a][w]`."""
        surfaces: dict[str, list[list[float]]] = {"truncated": [], "whole": []}
        for a in distances:
            phi = unravel(ravel(self.phi) + a * direction, self.phi)
            surfaces["truncated"].append(self.truncated(phi).tolist())
            surfaces["whole"].append(self.whole(phi).tolist())
        return surfaces

    @torch.no_grad()
    def _begin(self, phi: Params, first: Any) -> Carry:
        return self.unroll.start(phi, self.loss, self.theta, first)

    @torch.no_grad()
    def _walk(self, phi: Params, carry: Carry, k: int) -> tuple[Tensor, Carry]:
        data = map_tree(lambda d: d[:, k * self.window : (k + 1) * self.window], self.data)
        losses, carry = self.unroll(phi, self.loss, carry, data)
        return losses[:, 1:].double().sum(1).mean(), detach(carry)


def measure(rule: Rule, phi: Params, task: Task, episodes: int, **settings: Any) -> dict[str, Any]:
    """All numbers of this module about the meta-gradients at one φ, as lists: what is stored and drawn."""
    grads = meta_gradients(rule, phi, task, episodes, **settings)
    return {
        "norm": _short(grads.norm(dim=2)),  # [e][w]
        "bias": _short(component(grads, phi, _bias(phi))),  # [e][w]
        "windows": _short(between_windows(grads)),
        "episodes": _short(between_episodes(grads)),
        "shares": {name: _short(share) for name, share in shares(grads, phi).items()},
    }


def surfaces(
    rule: Rule, phi: Params, task: Task, problems: int, *, distances: Sequence[float], **settings: Any
) -> dict[str, Any]:
    """The meta-loss along three directions of length one, as truncation sees it and as it is, with its slopes at φ.

    "bias": the read-out bias alone. "loud": the truncated meta-gradient's own direction. "random": any.
    `slope`: "whole" by central differences over the two distances next to 0; "credit w" the component of the
    meta-gradient whose credit reaches over windows of w steps, second derivatives dropped.
    """
    some = Episodes(rule, phi, task, problems, seed="surfaces", **settings)
    by_reach = {f"credit {steps}": some.gradient(steps) for steps in (some.window, some.unroll.horizon)}
    loud = by_reach[f"credit {some.window}"]
    directions = {"bias": unit(phi, _bias(phi)), "loud": loud / loud.norm(), "random": random_unit(phi).to(loud)}
    middle, lines = list(distances).index(0), {}
    for name, direction in directions.items():
        lines[name] = some.along(direction, distances)
        low, high = (sum(lines[name]["whole"][k]) for k in (middle - 1, middle + 1))
        slope = {"whole": (high - low) / (distances[middle + 1] - distances[middle - 1])}
        slope |= {reach: float(grad @ direction) for reach, grad in by_reach.items()}
        lines[name] = {kind: _short(torch.tensor(rows)) for kind, rows in lines[name].items()}
        lines[name]["slope"] = {kind: float(f"{value:.4g}") for kind, value in slope.items()}
    return {"distances": list(distances), "directions": lines}


def _bias(phi: Params) -> str:
    """The read-out bias's name, whatever wrapper the rule stands in."""
    (name,) = (name for name in phi if name.endswith("readout.bias"))
    return name


def _short(values: Tensor) -> Any:
    if values.ndim:
        return [_short(value) for value in values]
    return float(f"{float(values):.4g}")


def trace(rule: Rule, task: Task, meta_steps: int, lr: float, name: str, *, seed: object = 0) -> dict[str, list[float]]:
    """Plain meta-training, step by step: Adam at a constant rate, one optimizee, windows of 20 of 100 steps.

    Of every meta-step: the meta-gradient's norm, the entry of the weight `name` in it, that weight before the step,
    and the mean loss of the window.
    """
    phi = weights_of(rule)
    adam = torch.optim.Adam(list(phi.values()), lr=lr)
    estimator = tbptt(Unroll(rule, 100), task, 1, 20)
    state = estimator.init(generator("trace", seed))
    lines: dict[str, list[float]] = {"norm": [], "gradient": [], "weight": [], "loss": []}
    for _ in range(meta_steps):
        estimate, state = estimator.step(phi, state)
        line = ravel(estimate.grad).norm(), estimate.grad[name], phi[name], estimate.losses[:, 1:].mean()
        for key, value in zip(lines, line, strict=True):
            lines[key].append(float(f"{float(value):.4g}"))
        for key, w in phi.items():
            w.grad = estimate.grad[key]
        adam.step()
    return lines
