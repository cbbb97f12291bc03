"""Back-propagation through a window of LSTM steps, written out for many independent coordinates.

With second derivatives dropped, the meta-gradient of a window is a vector–Jacobian product of the LSTM alone
(see `metagrad`). Coordinates do not meet in it, so it runs block by block in cache, forward and back, and
keeps nothing of one block for the next but the sum of the weights' gradients.

Layout: a coordinate is a *column* here, so that each gate is one contiguous run of rows, and a step's input
`[x_t; h_{t-1}; 1]` is one matrix to which the bias belongs.
"""

import torch
from torch import Tensor

BLOCK = 2048
"""Coordinates a block: large enough to amortise a call, small enough for a window's activations to stay cached."""


def lstm_pullback(
    fused: list[Tensor], readout: Tensor, x: Tensor, h: list[Tensor], c: list[Tensor], upstream: Tensor
) -> tuple[list[Tensor], Tensor]:
    r"""Gradients of Σ_t ⟨upstream_t, w·h_t + b⟩ for the fused matrices and the read-out `[w, b]`.

    Shapes: `fused[l]` `[4h, f+h+1]`, `readout` `[h+1]`, `x` `[t, n, f]`, `h[l]` and `c[l]` `[n, h]` (the state
    before the first step), `upstream` `[t, n]`. Coordinates without upstream are skipped, which is exact.
    """
    d_fused = [torch.zeros_like(w) for w in fused]
    d_readout = torch.zeros_like(readout)
    active = upstream.ne(0).any(0).nonzero().squeeze(1)
    for rows in active.split(BLOCK):
        block = _Block(fused, x[:, rows], [s[rows] for s in h], [s[rows] for s in c])
        block.forward()
        block.backward(readout, upstream[:, rows], d_fused, d_readout)
    return d_fused, d_readout


class _Block:
    """The activations of some coordinates over one window."""

    def __init__(self, fused: list[Tensor], x: Tensor, h: list[Tensor], c: list[Tensor]):
        t, m, _ = x.shape
        self.fused, self.size = fused, h[0].shape[1]
        self.inputs, self.gates, self.cells, self.tanhs = [], [], [], []
        for layer, w in enumerate(fused):
            rows = w.shape[1]
            a = x.new_empty(t + 1, rows, m)  # [x_t; h_{t-1}; 1]
            a[:, -1] = 1
            a[0, rows - 1 - self.size : -1] = h[layer].T
            cells = x.new_empty(t + 1, self.size, m)
            cells[0] = c[layer].T
            self.inputs.append(a)
            self.cells.append(cells)
            self.gates.append(x.new_empty(t, 4 * self.size, m))
            self.tanhs.append(x.new_empty(t, self.size, m))
        self.inputs[0][:t, : x.shape[2]] = x.transpose(1, 2)

    def forward(self) -> None:
        """Walk the window again, keeping every activation."""
        hidden = self.size
        for t in range(len(self.gates[0])):
            for layer, w in enumerate(self.fused):
                gates = torch.mm(w, self.inputs[layer][t], out=self.gates[layer][t]).sigmoid_()
                i, f, g, o = gates.split(hidden)
                cell = torch.mul(f, self.cells[layer][t], out=self.cells[layer][t + 1])
                cell.addcmul_(i, g, value=2).sub_(i)  # f c + i (2σ − 1)
                tanh = torch.mul(cell, 2, out=self.tanhs[layer][t]).sigmoid_().mul_(2).sub_(1)
                h = torch.mul(o, tanh, out=self.inputs[layer][t + 1][-1 - hidden : -1])
                if layer + 1 < len(self.fused):
                    self.inputs[layer + 1][t][:hidden] = h

    def backward(self, readout: Tensor, upstream: Tensor, d_fused: list[Tensor], d_readout: Tensor) -> None:
        """Add this block's share to the gradients."""
        hidden, top = self.size, len(self.fused) - 1
        w_out = readout[:-1].unsqueeze(1)
        dh = [torch.zeros_like(cells[0]) for cells in self.cells]  # reaching h_t from the future
        dc = [torch.zeros_like(cells[0]) for cells in self.cells]
        d_gates = torch.empty_like(self.gates[0][0])
        d_i, d_f, d_g, d_o = d_gates.split(hidden)
        for t in reversed(range(len(upstream))):
            dh[top].addmm_(w_out, upstream[t].unsqueeze(0))
            d_readout[:-1] += self.inputs[top][t + 1][-1 - hidden : -1] @ upstream[t]
            for layer in reversed(range(top + 1)):
                gates, tanh = self.gates[layer][t], self.tanhs[layer][t]
                i, f, g, o = gates.split(hidden)
                through = dh[layer] * o
                dc[layer] += through.addcmul_(through * tanh, tanh, value=-1)  # · (1 − tanh²)
                torch.mul(dh[layer], tanh, out=d_o)
                torch.mul(dc[layer], self.cells[layer][t], out=d_f)
                torch.mul(dc[layer], i, out=d_g).mul_(2)  # d(2σ − 1) = 2 dσ
                torch.mul(dc[layer], g, out=d_i).mul_(2).sub_(dc[layer])
                d_gates.mul_(torch.addcmul(gates, gates, gates, value=-1))  # · σ(1 − σ)
                d_fused[layer].addmm_(d_gates, self.inputs[layer][t].T)
                dc[layer] *= f
                if layer:
                    below, dh[layer] = (self.fused[layer][:, :-1].T @ d_gates).split(hidden)
                    dh[layer - 1] += below
                else:
                    dh[0] = self.fused[0][:, -1 - hidden : -1].T @ d_gates
        d_readout[-1] += upstream.sum()
