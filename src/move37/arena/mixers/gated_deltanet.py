"""Gated DeltaNet: the delta rule with a data-dependent decay per head.

Yang, Kautz & Hatamizadeh 2024, "Gated Delta Networks: Improving Mamba2 with Delta Rule"
(arXiv 2412.06464).

    S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T
    alpha_t = exp(-exp(A_h) softplus(w_h . x_t + b_h)),    beta_t = sigmoid(u_h . x_t)
    y_t = W_o (norm(S_t^T q_t / sqrt(K)) * silu(W_g x_t))

q, k and v pass a causal convolution of width 4 with SiLU; q and k are then scaled to unit length;
the norm is RMS per head.

Simplified: values as wide as keys and both as wide as D (the authors' layer has 0.75 D and 1.5 D),
so that all references but Mamba carry one state size; default initial weights.

B batch, T time, H heads, K key dim, V value dim, W convolution width, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import (
    gated_delta_rule,
    gated_rms_norm,
    l2_norm,
    short_convolution,
    step_bias,
)

CONVOLUTION_WIDTH = 4
DECAY_RATES = (
    0.01,
    16.0,
)  # exp(A) at the start, uniform; the authors start at 0, whose log is lost
TIME_STEPS = (1e-3, 1e-1)  # softplus(b) at the start, log-uniform; the authors' code, after Mamba-2


class Mixer(nn.Module):
    """Delta-rule memory with scalar decay and output gate; 5 D^2 parameters and some."""

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
        self.step = nn.Linear(d_model, n_heads, bias=False)
        self.log_rate_H = nn.Parameter(torch.empty(n_heads).uniform_(*DECAY_RATES).log())
        self.step_bias_H = nn.Parameter(step_bias(n_heads, *TIME_STEPS))
        self.gate = nn.Linear(d_model, d_model, bias=False)
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
        o_BTHV, memory = gated_delta_rule(
            l2_norm(q_BTHK),
            l2_norm(k_BTHK),
            v_BTHV,
            self.beta(x_BTD).sigmoid(),
            -self.log_rate_H.exp() * F.softplus(self.step(x_BTD) + self.step_bias_H),
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        y_BTHV = gated_rms_norm(o_BTHV, self._heads(self.gate(x_BTD)), self.norm_weight)
        return self.out(y_BTHV.flatten(-2)), {"memory": memory, "convolution": convolution}

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.n_heads, -1))
