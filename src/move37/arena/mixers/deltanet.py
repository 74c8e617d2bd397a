"""DeltaNet: a linear-attention memory that replaces what a key held instead of adding to it.

Schlag et al. 2021, "Linear Transformers Are Secretly Fast Weight Programmers" (arXiv 2102.11174),
in the layer of Yang et al. 2024, "Parallelizing Linear Transformers with the Delta Rule over
Sequence Length" (arXiv 2406.06484).

    S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,    beta_t = sigmoid(w_h . x_t)
    y_t = W_o norm(S_t^T q_t / sqrt(K))

q, k and v pass a causal convolution of width 4 with SiLU; q and k are then scaled to unit length;
the norm is RMS per head. No output gate.

Simplified: nothing but default initial weights.

B batch, T time, H heads, K key dim, V value dim, W convolution width, D channels.
"""

import torch
from torch import Tensor, nn

from move37.arena.kernels import delta_rule, l2_norm, rms_norm, short_convolution

CONVOLUTION_WIDTH = 4


class Mixer(nn.Module):
    """Delta-rule memory; 4 D^2 parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        bound = CONVOLUTION_WIDTH**-0.5  # nn.Conv1d's
        self.convolution_weight = nn.Parameter(
            torch.empty(3 * d_model, CONVOLUTION_WIDTH).uniform_(-bound, bound)
        )
        self.beta = nn.Linear(d_model, n_heads, bias=False)
        self.norm_weight = nn.Parameter(torch.ones(d_model // n_heads))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds S and the last inputs of the convolution."""
        state = state or {"memory": None, "convolution": None}
        qkv_BTD, convolution = short_convolution(
            self.qkv(x_BTD),
            self.convolution_weight,
            state_BDW=state["convolution"],
            activation="silu",
        )
        q_BTHK, k_BTHK, v_BTHV = (
            part.unflatten(-1, (self.n_heads, -1)) for part in qkv_BTD.chunk(3, dim=-1)
        )
        o_BTHV, memory = delta_rule(
            l2_norm(q_BTHK),
            l2_norm(k_BTHK),
            v_BTHV,
            self.beta(x_BTD).sigmoid(),
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        y_BTHV = rms_norm(o_BTHV, self.norm_weight)
        return self.out(y_BTHV.flatten(-2)), {"memory": memory, "convolution": convolution}
