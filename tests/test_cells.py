"""The cell against PyTorch's."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from l2l_core.cells import LSTMCell

widths = st.integers(1, 6)


@given(widths, widths, widths)
def test_the_cell_is_pytorchs_with_the_same_weights(n, inputs, hidden):
    ours, theirs = LSTMCell(inputs, hidden).double(), nn.LSTMCell(inputs, hidden).double()
    with torch.no_grad():
        ours.weight_ih.copy_(theirs.weight_ih)
        ours.weight_hh.copy_(theirs.weight_hh)
        ours.bias.copy_(theirs.bias_ih + theirs.bias_hh)
    x, h, c = (torch.randn(n, width, dtype=torch.float64) for width in (inputs, hidden, hidden))
    for _ in range(3):
        ours_next, theirs_next = ours(x, h, c), theirs(x, (h, c))
        torch.testing.assert_close(ours_next, theirs_next, rtol=1e-12, atol=1e-12)
        h, c = ours_next


@given(widths, widths)
def test_a_cell_has_four_gates_of_weights(inputs, hidden):
    assert sum(w.numel() for w in LSTMCell(inputs, hidden).parameters()) == 4 * (inputs * hidden + hidden**2 + hidden)


def test_the_forget_bias_moves_the_forget_gate_alone():
    torch.manual_seed(0)
    plain = LSTMCell(2, 3).bias
    torch.manual_seed(0)
    moved = LSTMCell(2, 3, forget_bias=1.5).bias
    torch.testing.assert_close(moved - plain, torch.tensor([0.0] * 3 + [1.5] * 3 + [0.0] * 6))
