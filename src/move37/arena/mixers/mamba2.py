"""Mamba-2: a selective state space with one decay per head.

Dao & Gu 2024, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through
Structured State Space Duality" (arXiv 2405.21060).

    h_t = exp(dt_t A) h_{t-1} + B_t (dt_t x_t)^T,    A < 0 learned,    dt_t = softplus(W x_t + b)
    y_t = W_o norm((h_t^T C_t + D x_t) * silu(z_t))

x, B and C pass a causal convolution of width 4 with SiLU first; B and C are shared by all heads.

Simplified: the heads are the backbone's, so the head size is 2 D / H and the state size N is D / H
(the paper has 64 and 64 to 256); no learned initial state, no limits on dt. The inner width stays
twice D, so the state is twice that of the other references.

B batch, T time, H heads, P head size, N state size, W convolution width, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import rms_norm, short_convolution, state_space_dual, step_bias

EXPAND = 2  # inner width over D; Mamba's block has no feed-forward part of its own
CONVOLUTION_WIDTH = 4
DECAY_RATES = (1.0, 16.0)  # -A at the start, uniform; the authors' code
TIME_STEPS = (1e-3, 1e-1)  # dt at the start, log-uniform; the authors' code


class Mixer(nn.Module):
    """Structured state space duality in Mamba's gated block; 6 D^2 + 2 D N parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        d_inner, n_state = EXPAND * d_model, d_model // n_heads
        self.n_heads = n_heads
        self.splits = [d_inner, d_inner + 2 * n_state, n_heads]
        self.convolved_splits = [d_inner, n_state, n_state]
        self.project = nn.Linear(d_model, sum(self.splits), bias=False)
        bound = CONVOLUTION_WIDTH**-0.5  # nn.Conv1d's
        n_convolved = sum(self.convolved_splits)
        self.convolution_weight = nn.Parameter(
            torch.empty(n_convolved, CONVOLUTION_WIDTH).uniform_(-bound, bound)
        )
        self.convolution_bias = nn.Parameter(torch.empty(n_convolved).uniform_(-bound, bound))
        self.log_rate_H = nn.Parameter(torch.empty(n_heads).uniform_(*DECAY_RATES).log())
        self.step_bias_H = nn.Parameter(step_bias(n_heads, *TIME_STEPS))
        self.skip_H = nn.Parameter(torch.ones(n_heads))
        self.norm_weight = nn.Parameter(torch.ones(d_inner))
        self.out = nn.Linear(d_inner, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds h and the last inputs of the convolution."""
        state = state or {"memory": None, "convolution": None}
        gate_BTD, xBC_BTD, step_BTH = self.project(x_BTD).split(self.splits, dim=-1)
        xBC_BTD, convolution = short_convolution(
            xBC_BTD,
            self.convolution_weight,
            self.convolution_bias,
            state_BDW=state["convolution"],
            activation="silu",
        )
        x_BTD, B_BTN, C_BTN = xBC_BTD.split(self.convolved_splits, dim=-1)
        x_BTHP = x_BTD.unflatten(-1, (self.n_heads, -1))
        y_BTHP, memory = state_space_dual(
            x_BTHP,
            F.softplus(step_BTH + self.step_bias_H),
            -self.log_rate_H.exp(),
            B_BTN[:, :, None].expand(-1, -1, self.n_heads, -1),
            C_BTN[:, :, None].expand(-1, -1, self.n_heads, -1),
            state=state["memory"],
        )
        y_BTD = (y_BTHP + self.skip_H[:, None] * x_BTHP).flatten(-2)
        y_BTD = rms_norm(y_BTD * F.silu(gate_BTD), self.norm_weight)
        return self.out(y_BTD), {"memory": memory, "convolution": convolution}
