"""Gated DeltaNet 2: the delta rule with separate, channel-wise gates for erasing and writing.

Hatamizadeh, Choi & Kautz 2026, "Gated DeltaNet-2: Decoupling Erase and Write in Linear Attention"
(arXiv 2605.22791).

    S_t = (I - k_t (e_t * k_t)^T) diag(alpha_t) S_{t-1} + k_t (w_t * v_t)^T
    e_t = sigmoid(W_e x_t),    w_t = sigmoid(W_w x_t)
    alpha_t = exp(-exp(A_h) softplus(W_2 W_1 x_t + b))
    y_t = W_o (norm(S_t^T q_t / sqrt(K)) * silu(G_2 G_1 x_t + c))

With e_t and w_t one and the same number it is Kimi Delta Attention. q, k and v pass a causal
convolution of width 4 with SiLU; q and k are then scaled to unit length; the norm is RMS per head;
the low ranks are the head size.

Simplified: default instead of Xavier (gain 2^-2.5) initial weights; the erase gate stays within
(0, 1), the authors' default.

B batch, T time, H heads, K key dim, V value dim, W convolution width, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import (
    dplr_delta_rule,
    gated_rms_norm,
    l2_norm,
    short_convolution,
    step_bias,
)

CONVOLUTION_WIDTH = 4
DECAY_RATES = (1.0, 16.0)  # exp(A) at the start, uniform; the authors' code
TIME_STEPS = (1e-3, 1e-1)  # softplus(b) at the start, log-uniform; the authors' code


class Mixer(nn.Module):
    """Delta-rule memory with erase and write gates; 6 D^2 + 4 D^2 / H parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        self.n_heads = n_heads
        rank = d_model // n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        bound = CONVOLUTION_WIDTH**-0.5  # nn.Conv1d's
        self.convolution_weight = nn.Parameter(
            torch.empty(3 * d_model, CONVOLUTION_WIDTH).uniform_(-bound, bound)
        )
        self.erase_and_write = nn.Linear(d_model, 2 * d_model, bias=False)
        self.step_down = nn.Linear(d_model, rank, bias=False)
        self.step_up = nn.Linear(rank, d_model, bias=False)
        self.log_rate_H = nn.Parameter(torch.empty(n_heads).uniform_(*DECAY_RATES).log())
        self.step_bias_D = nn.Parameter(step_bias(d_model, *TIME_STEPS))
        self.gate_down = nn.Linear(d_model, rank, bias=False)
        self.gate_up = nn.Linear(rank, d_model)
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
        q_BTHK, k_BTHK, v_BTHV = map(self._heads, qkv_BTD.chunk(3, dim=-1))
        q_BTHK, k_BTHK = l2_norm(q_BTHK), l2_norm(k_BTHK)
        gates_BTD = self.erase_and_write(x_BTD).sigmoid()
        erase_BTHK, write_BTHV = map(self._heads, gates_BTD.chunk(2, dim=-1))
        log_decay_BTHK = self._log_decay(x_BTD)
        o_BTHV, memory = dplr_delta_rule(
            q_BTHK,
            k_BTHK,
            write_BTHV * v_BTHV,
            -k_BTHK,
            erase_BTHK * k_BTHK * log_decay_BTHK.exp(),
            log_decay_BTHK,
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        gate_BTHV = self._heads(self.gate_up(self.gate_down(x_BTD)))
        y_BTHV = gated_rms_norm(o_BTHV, gate_BTHV, self.norm_weight)
        return self.out(y_BTHV.flatten(-2)), {"memory": memory, "convolution": convolution}

    def _log_decay(self, x_BTD: Tensor) -> Tensor:
        step_BTD = F.softplus(self.step_up(self.step_down(x_BTD)) + self.step_bias_D)
        return -self.log_rate_H.exp()[:, None] * self._heads(step_BTD)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.n_heads, -1))
