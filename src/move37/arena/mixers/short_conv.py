"""Gated short convolution: four tokens of memory and no more. The anchor at the bottom.

Amini et al. 2025, "LFM2 Technical Report" (arXiv 2511.23404).

    y_t = W_o (c_t * sum_{i < 4} w_i * (b_{t-i} * x'_{t-i})),    b, c, x' = W x

What a recurrent mixer is worth on a task is what it adds to this.

Simplified: nothing, but the width is 4 (the report has 3), that of the convolutions in the other
references.

B batch, T time, W convolution width, D channels.
"""

import torch
from torch import Tensor, nn

from move37.arena.kernels import short_convolution

CONVOLUTION_WIDTH = 4


class Mixer(nn.Module):
    """Depthwise causal convolution between two multiplicative gates; 4 D^2 parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del n_heads, layer_index  # channels are on their own; all layers are alike
        self.project = nn.Linear(d_model, 3 * d_model, bias=False)
        bound = CONVOLUTION_WIDTH**-0.5  # nn.Conv1d's
        self.convolution_weight = nn.Parameter(
            torch.empty(d_model, CONVOLUTION_WIDTH).uniform_(-bound, bound)
        )
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mix over time; `state` is the last inputs of the convolution, (B, D, W - 1)."""
        before_BTD, after_BTD, value_BTD = self.project(x_BTD).chunk(3, dim=-1)
        y_BTD, state = short_convolution(
            before_BTD * value_BTD, self.convolution_weight, state_BDW=state
        )
        return self.out(after_BTD * y_BTD), state
