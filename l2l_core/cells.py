"""The recurrent cell of the 2016 paper."""

import torch
from torch import Tensor, nn


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

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step: (h', c')."""
        i, f, g, o = (x @ self.weight_ih.T + h @ self.weight_hh.T + self.bias).chunk(4, -1)  # [n, h] each
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
