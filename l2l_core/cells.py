"""The recurrent cell of the 2016 paper."""

import torch
from torch import Tensor, nn


def tanh(x: Tensor) -> Tensor:
    """tanh x = 2σ(2x) − 1: on a CPU the logistic function is several times cheaper than `torch.tanh`."""
    return (2 * x).sigmoid().mul(2).sub(1)


class LSTMCell(nn.Module):
    r"""One layer of long short-term memory, with one bias a gate.

    $$i,f,o = \sigma(W x + U h + b), \quad \tilde c = \tanh(W x + U h + b), \quad
    c' = f c + i\tilde c, \quad h' = o\tanh c'.$$

    Gates stand in PyTorch's order (i, f, c̃, o), so that weights move to and from `nn.LSTMCell` (whose two
    biases add up to our one). Shapes: x `[n, f]`, h and c `[n, h]`. 4(fh + h² + h) weights.
    """

    def __init__(self, inputs: int, hidden: int, forget_bias: float = 0.0):
        super().__init__()
        self.hidden = hidden
        bound = hidden**-0.5
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))
        with torch.no_grad():
            self.bias[hidden : 2 * hidden] += forget_bias

    def fused(self) -> Tensor:
        """[W U b] as one matrix `[4h, f+h+1]`, the candidate's rows doubled: σ of it is all four gates."""
        whole = torch.cat([self.weight_ih, self.weight_hh, self.bias.unsqueeze(1)], 1)
        double = torch.ones(4, 1, 1, dtype=whole.dtype, device=whole.device)
        double[2] = 2
        return (whole.view(4, self.hidden, -1) * double).view_as(whole)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step: (h', c')."""
        fused = self.fused()
        gates = torch.addmm(fused[:, -1], torch.cat([x, h], -1), fused[:, :-1].T)  # [n, 4h]
        # one sigmoid over all four gates; the candidate's rows come out as σ(2·), that is (tanh + 1)/2
        i, f, g, o = gates.sigmoid().chunk(4, -1)
        c = f * c + i * (2 * g - 1)
        return o * tanh(c), c
