"""The coordinatewise LSTM optimizer (Andrychowicz et al. 2016, §2.1)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from l2l_core.cells import LSTMCell
from l2l_core.features import RawGradient
from l2l_core.lstm_window import lstm_pullback
from l2l_core.rule import Rule, Seen
from l2l_core.tree import Params, map_tree, ravel, unravel
from l2l_core.types import Signal


class Features(Protocol):
    """A map from gradients `[...]` to `size` features each, `[..., f]`."""

    size: int
    __call__: Callable[[Tensor], Tensor]


class LSTMState(NamedTuple):
    """Hidden and cell state of every coordinate: one `[n, h]` a layer."""

    h: tuple[Tensor, ...]
    c: tuple[Tensor, ...]


class CoordinatewiseLSTM(Rule):
    r"""One small LSTM, shared by all coordinates, with a memory of its own for each.

    $$(h, c)_{t+1} = \mathrm{LSTM}(\psi(\nabla_t), (h, c)_t), \qquad g_t = \eta\,(w^\top h_{t+1} + b)$$

    where ψ is the preprocessing (`features`) and η the output `scale`. Because no weight belongs to a
    coordinate, one φ serves optimizees of any size, and permuting coordinates permutes updates.

    `hidden` = 20, `depth` = 2 in the paper: 5,061 weights with the raw gradient, 5,141 with `LogSign`.
    The paper's `scale` is 1 on quadratics and 0.1 on MNIST (§3.1, §3.2).
    """

    def __init__(
        self,
        hidden: int = 20,
        depth: int = 2,
        *,
        features: Features | None = None,
        scale: float = 1.0,
        forget_bias: float = 0.0,
    ):
        super().__init__()
        self.features = RawGradient() if features is None else features
        self.scale = scale
        widths = [self.features.size] + [hidden] * (depth - 1)
        self.cells = nn.ModuleList(LSTMCell(f, hidden, forget_bias) for f in widths)
        self.readout = nn.Linear(hidden, 1)

    def extra_repr(self) -> str:
        """What its cells do not show."""
        return f"features={self.features}, scale={self.scale}"

    def init(self, params: Params) -> LSTMState:
        """Zero memory."""
        like = next(iter(params.values()))
        n = sum(p.numel() for p in params.values())
        zeros = tuple(like.new_zeros(n, cell.hidden) for cell in self.cells)
        return LSTMState(zeros, zeros)

    def update(self, signal: Signal, state: LSTMState, params: Params) -> tuple[Params, LSTMState]:
        """The cells, layer after layer, on all coordinates at once."""
        step, state = self.steps(ravel(signal.grad), state)
        return unravel(step, params), state

    def steps(self, gradient: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """∇ `[n]` to g `[n]`: coordinates do not know whose they are."""
        x = self.features(gradient)  # [n, f]
        h, c = [], []
        for layer, cell in enumerate(self.cells):
            x, memory = cell(x, state.h[layer], state.c[layer])
            h.append(x)
            c.append(memory)
        return self.scale * self.readout(x).squeeze(-1), LSTMState(tuple(h), tuple(c))

    def update_many(self, phi: Params, signal: Signal, state: LSTMState, params: Params) -> tuple[Params, LSTMState]:
        """As `Rule.update_many`, without `vmap`: the coordinates of b optimizees are so many coordinates more."""
        b = len(next(iter(params.values())))
        flat = map_tree(lambda s: s.flatten(0, 1), state)
        step, flat = self.apply_with(phi, "steps", _join(signal.grad), flat)
        split = step.view(b, -1).split([p[0].numel() for p in params.values()], 1)
        update = {name: piece.view(p.shape) for (name, p), piece in zip(params.items(), split, strict=True)}
        return update, map_tree(lambda s: s.unflatten(0, (b, -1)), flat)

    def matrices(self) -> list[Tensor]:
        """What `lstm_pullback` differentiates: each cell's fused weights, then the read-out `[w, b]`."""
        return [cell.fused() for cell in self.cells] + [torch.cat([self.readout.weight[0], self.readout.bias])]

    def pullback(self, phi: Params, seen: list[Seen], state: LSTMState, upstream: list[Params]) -> Params:
        """As `Rule.pullback`, with all coordinates of all optimizees in one sequence `[t, b·n]`."""
        weights = {name: w.detach().requires_grad_() for name, w in phi.items()}
        with torch.enable_grad():
            *fused, readout = self.apply_with(weights, "matrices")
        with torch.no_grad():
            x = self.features(torch.stack([_join(signal.grad) for signal, _ in seen]))  # [t, b·n, f]
            up = self.scale * torch.stack([_join(u) for u in upstream])  # [t, b·n]
            h, c = ([s.flatten(0, 1) for s in part] for part in state)
            d_fused, d_readout = lstm_pullback([w.detach() for w in fused], readout.detach(), x, h, c, up)
        grads = torch.autograd.grad([*fused, readout], list(weights.values()), [*d_fused, d_readout])
        return dict(zip(weights, grads, strict=True))


def _join(params: Params) -> Tensor:
    """Coordinates of b optimizees, optimizee after optimizee: `[b·n]`."""
    # not flatten(1), which a number a optimizee, `[b]`, does not have
    return torch.cat([p.reshape(len(p), p[0].numel()) for p in params.values()], 1).flatten()
