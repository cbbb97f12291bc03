"""The coordinatewise LSTM optimizer (Andrychowicz et al. 2016, §2.1)."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from l2l_core.cells import LSTMCell
from l2l_core.features import RawGradient
from l2l_core.lstm_blocks import Memory, Weights, fuse, lstm_pullback, lstm_step, unfuse
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
    The paper's `scale` is 1 on quadratics and 0.1 on MNIST (§3.1, §3.2). Raises ValueError without units or layers.
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
        if hidden < 1 or depth < 1:
            raise ValueError(f"an LSTM has at least one unit and one layer, got hidden = {hidden}, depth = {depth}")
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
        """As `Rule.update_many`: the coordinates of b optimizees are so many coordinates more.

        Where nothing is recorded for autograd, they are stepped in place, block by block.
        """
        b = len(next(iter(params.values())))
        gradient = _join(signal.grad)
        if torch.is_grad_enabled():
            # laid out anew: products of transposed and of plain matrices may round differently, and a state that comes
            # from a checkpoint lies otherwise in memory than one that was stepped in place
            flat = map_tree(lambda s: s.flatten(0, 1).contiguous(), state)
            step, state = self.apply_with(phi, "steps", gradient, flat)
            state = map_tree(lambda s: s.unflatten(0, (b, -1)), state)
        else:
            step, memory = lstm_step(self._weights(phi), self.features(gradient), _columns(state))
            step, state = self.scale * step, _rows(memory, b)
        split = step.view(b, -1).split([p[0].numel() for p in params.values()], 1)
        update = {name: piece.view(p.shape) for (name, p), piece in zip(params.items(), split, strict=True)}
        return update, state

    @torch.no_grad()
    def pullback(self, phi: Params, seen: list[Seen], states: list[LSTMState], upstream: list[Params]) -> Params:
        """As `Rule.pullback`, with all coordinates of all optimizees in one sequence `[t, b·n]`."""
        x = self.features(torch.stack([_join(signal.grad) for signal, _ in seen]))  # [t, b·n, f]
        up = self.scale * torch.stack([_join(u) for u in upstream])  # [t, b·n]
        memories = [_columns(state) for state in states]
        layers, readout = lstm_pullback(self._weights(phi), x, memories, up)
        grads = {"readout.weight": readout[:-1].unsqueeze(0), "readout.bias": readout[-1:]}
        for layer, whole in enumerate(layers):
            grads.update(zip(self._names(layer), unfuse(whole), strict=True))
        return {name: grads[name] for name in phi}

    def _weights(self, phi: Params) -> Weights:
        layers = [fuse(*(phi[name] for name in self._names(layer))) for layer in range(len(self.cells))]
        return Weights(layers, torch.cat([phi["readout.weight"][0], phi["readout.bias"]]))

    def _names(self, layer: int) -> list[str]:
        return [f"cells.{layer}.{name}" for name in ("weight_ih", "weight_hh", "bias")]


def _join(params: Params) -> Tensor:
    """Coordinates of b optimizees, optimizee after optimizee: `[b·n]`."""
    # not flatten(1), which a number a optimizee, `[b]`, does not have
    return torch.cat([p.reshape(len(p), p[0].numel()) for p in params.values()], 1).flatten()


def _columns(state: LSTMState) -> Memory:
    """`[b, n, h]` to `[h, b·n]`; a view, of what `_rows` made."""
    return Memory(*([s.movedim(2, 0).flatten(1) for s in part] for part in state))


def _rows(memory: Memory, b: int) -> LSTMState:
    """`[h, b·n]` to `[b, n, h]`, without moving anything."""
    return LSTMState(*(tuple(s.unflatten(1, (b, -1)).movedim(0, 2) for s in part) for part in memory))
