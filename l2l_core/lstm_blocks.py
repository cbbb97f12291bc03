"""The coordinatewise LSTM written out: a step forward, and back through a window of steps.

Nothing is recorded by autograd. With second derivatives dropped, the meta-gradient of a window is a
vector–Jacobian product of the LSTM alone (see `metagrad`), and coordinates do not meet in it. So both directions
run block by block, and keep nothing of one block for the next but the sum of the weights' gradients.

Layout: a coordinate is a *column*, so that each gate is one contiguous run of rows and a step's input
`[x_t; h_{t-1}; 1]` is one matrix to which the bias belongs. Gates stand in the order i, f, o, c̃: one call of σ
serves the first three.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from l2l_core.kernel import Kernel, kernel_for

BLOCK = 2048
"""Coordinates a block on a CPU: enough to amortise a call, few enough for what a step touches to stay in cache."""
ACCELERATOR_BLOCK = 2**17
"""The same elsewhere, where only memory asks for blocks."""
GATHER = 0.6
"""A window's backward visits active coordinates alone where they are fewer than this share: gathering costs too."""

_REORDER = [0, 1, 3, 2]  # i, f, c̃, o and back


class Weights(NamedTuple):
    """`[W U b]` of every layer, `[4h, f+h+1]`, gates in the order above, and the read-out `[w, b]`, `[h+1]`."""

    layers: list[Tensor]
    readout: Tensor


def fuse(weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> Tensor:
    """W, U, b of one layer, gates in PyTorch's order, as the matrix that a step multiplies with."""
    whole = torch.cat([weight_ih, weight_hh, bias.unsqueeze(1)], 1)
    return whole.unflatten(0, (4, -1))[_REORDER].flatten(0, 1)


def unfuse(whole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `fuse`."""
    hidden = len(whole) // 4
    whole = whole.unflatten(0, (4, -1))[_REORDER].flatten(0, 1)
    return whole[:, : -1 - hidden], whole[:, -1 - hidden : -1], whole[:, -1]


class Memory(NamedTuple):
    """h and c of every layer, `[h, n]` each."""

    h: list[Tensor]
    c: list[Tensor]

    def split(self, blocks: list[int]) -> list["Memory"]:
        """Those of blocks of coordinates, as views."""
        h, c = ([s.split(blocks, 1) for s in part] for part in self)
        return [Memory([s[k] for s in h], [s[k] for s in c]) for k in range(len(blocks))]


def lstm_step(weights: Weights, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
    """One step of every coordinate, which sees `x` `[n, f]`: the read-out `[n]` and the new memory."""
    hidden, n = memory.h[0].shape
    if (compiled := _compiled(weights, x, [memory])) is not None:
        update, h, c = compiled.step(*weights, x, *memory)
        return update, Memory(h, c)
    blocks = _blocks(x, n)
    after = Memory(*([x.new_empty(hidden, n) for _ in part] for part in memory))
    on = _scratch(weights, blocks[0])
    for m, below, before, now in zip(
        blocks, x.T.split(blocks, 1), memory.split(blocks), after.split(blocks), strict=True
    ):
        if m < blocks[0]:
            on = _scratch(weights, m)
        for layer, cell in enumerate(on):
            cell.gate(below, before.h[layer])
            torch.mul(cell.f, before.c[layer], out=now.c[layer]).addcmul_(cell.i, cell.g)
            torch.tanh(now.c[layer], out=cell.tanh)
            below = torch.mul(cell.o, cell.tanh, out=now.h[layer])
    return torch.addmv(weights.readout[-1], after.h[-1].T, weights.readout[:-1]), after


def lstm_pullback(weights: Weights, x: Tensor, memories: list[Memory], upstream: Tensor) -> Weights:
    r"""Gradients of Σ_t ⟨u_t, w·h_t + b⟩ for the weights, with the u_t in `upstream`.

    Shapes: `x` `[t, n, f]`, `upstream` `[t, n]`; `memories` has t+1 entries, before each step and after the last.
    Gates are computed again from them, step by step: that is cheaper than to write them to memory and read them
    back. Coordinates without upstream are skipped, which is exact.
    """
    active = upstream.ne(0).any(0)
    if active.float().mean() < GATHER:
        columns = active.nonzero().squeeze(1)
        x, upstream = x[:, columns], upstream[:, columns]
        memories = [Memory(*([s[:, columns] for s in part] for part in memory)) for memory in memories]
    if (compiled := _compiled(weights, x, memories)) is not None:
        h, c = zip(*memories[:-1], strict=True)
        return Weights(*compiled.pullback(*weights, x, h, c, upstream))
    grads = Weights([torch.zeros_like(w) for w in weights.layers], torch.zeros_like(weights.readout))
    blocks = _blocks(x, x.shape[1])
    parts = x.split(blocks, 1), zip(*(m.split(blocks) for m in memories), strict=True), upstream.split(blocks, 1)
    for block in zip(*parts, strict=True):
        _pull_back(weights, *block, grads)
    return grads


def _pull_back(weights: Weights, x: Tensor, memories: list[Memory], upstream: Tensor, grads: Weights) -> None:
    """Add the share of one block of coordinates to `grads`."""
    top, (hidden, m) = len(weights.layers) - 1, memories[0].h[0].shape
    w_out = weights.readout[:-1].unsqueeze(1)
    transposed = [w[:, :-1].T.contiguous() for w in weights.layers]
    d_inputs = [x.new_zeros(len(w), m) for w in transposed]  # of the step after: below, then h
    dh = [d[-hidden:] for d in d_inputs]
    dc = [torch.zeros_like(d) for d in dh]
    d_gates, through = x.new_empty(4 * hidden, m), torch.empty_like(dh[0])
    d_sigmoids, d_g = d_gates[:-hidden], d_gates[-hidden:]
    d_i, d_f, d_o = d_sigmoids.split(hidden)
    on = _scratch(weights, m)
    for t in reversed(range(len(upstream))):
        before, after = memories[t], memories[t + 1]
        dh[top].addmm_(w_out, upstream[t].unsqueeze(0))
        grads.readout[:-1] += after.h[top] @ upstream[t]
        for layer in reversed(range(top + 1)):
            cell = on[layer]
            cell.gate(after.h[layer - 1] if layer else x[t].T, before.h[layer])
            torch.tanh(after.c[layer], out=cell.tanh)
            torch.mul(dh[layer], cell.o, out=through)
            dc[layer] += _tanh_backward(through, cell.tanh, grad_input=through)
            torch.mul(dc[layer], cell.g, out=d_i)
            torch.mul(dc[layer], before.c[layer], out=d_f)
            torch.mul(dh[layer], cell.tanh, out=d_o)
            torch.mul(dc[layer], cell.i, out=d_g)
            _sigmoid_backward(d_sigmoids, cell.sigmoids, grad_input=d_sigmoids)
            _tanh_backward(d_g, cell.g, grad_input=d_g)
            grads.layers[layer].addmm_(d_gates, cell.inputs.T)
            dc[layer] *= cell.f
            torch.mm(transposed[layer], d_gates, out=d_inputs[layer])
            if layer:
                dh[layer - 1] += d_inputs[layer][:hidden]
    grads.readout[-1] += upstream.sum()


class _Cell:
    """One layer and what a step of m coordinates overwrites: its input `[f+h+1, m]`, its gates `[4h, m]`, tanh c'."""

    def __init__(self, w: Tensor, gates: Tensor, tanh: Tensor):
        hidden, m = tanh.shape
        self.w, self.inputs, self.gates, self.tanh = w, w.new_ones(w.shape[1], m), gates, tanh
        self.below, self.h = self.inputs[: -1 - hidden], self.inputs[-1 - hidden : -1]
        self.sigmoids = self.gates[:-hidden]
        self.i, self.f, self.o, self.g = self.gates.split(hidden)

    def gate(self, below: Tensor, h: Tensor) -> None:
        """The gates of a step that sees `below` `[f, m]` and remembers `h`."""
        self.below.copy_(below)
        self.h.copy_(h)
        torch.mm(self.w, self.inputs, out=self.gates)
        self.sigmoids.sigmoid_()
        self.g.tanh_()


def _scratch(weights: Weights, m: int) -> list[_Cell]:
    w = weights.layers[0]
    # layers work one after another, and on the same memory: the less a step touches, the nearer it stays
    gates, tanh = w.new_empty(len(w), m), w.new_empty(len(w) // 4, m)
    return [_Cell(w, gates, tanh) for w in weights.layers]


def _compiled(weights: Weights, x: Tensor, memories: list[Memory]) -> Kernel | None:
    """The kernel, where all that it is given fits together: it does not look, and PyTorch says what does not fit."""
    (n, below), hidden = x.shape[-2:], len(weights.readout) - 1
    needed = [(weights.readout, (hidden + 1,))]
    for w in weights.layers:
        needed.append((w, (4 * hidden, below + hidden + 1)))
        below = hidden
    needed += [(s, (hidden, n)) for memory in memories for part in memory for s in part]
    if any((t.shape, t.dtype, t.device) != (shape, x.dtype, x.device) for t, shape in needed):
        return None
    return kernel_for(x, hidden, len(weights.layers))


def _blocks(like: Tensor, n: int) -> list[int]:
    """n coordinates in blocks of one size, but for the last, which may be smaller."""
    size = BLOCK if like.device.type == "cpu" else ACCELERATOR_BLOCK
    return [min(size, n - start) for start in range(0, max(n, 1), size)]


_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input  # d · σ(1 − σ), given σ
_tanh_backward = torch.ops.aten.tanh_backward.grad_input  # d · (1 − tanh²), given tanh
