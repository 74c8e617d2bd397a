"""Kimi Delta Attention: the delta rule with a data-dependent decay per key channel.

Kimi Team 2025, "Kimi Linear: An Expressive, Efficient Attention Architecture" (arXiv 2510.26692).

    S_t = (I - beta_t k_t k_t^T) diag(alpha_t) S_{t-1} + beta_t k_t v_t^T
    alpha_t = exp(-exp(A_h) softplus(W_2 W_1 x_t + b)),    beta_t = sigmoid(w_h . x_t)
    y_t = W_o (norm(S_t^T q_t / sqrt(K)) * sigmoid(G_2 G_1 x_t))

q, k and v pass a causal convolution of width 4 with SiLU; q and k are then scaled to unit length;
the norm is RMS per head; the low ranks are the head size.

Simplified: nothing in the layer (the paper alternates it with full attention, we do not).

B batch, T time, H heads, K key dim, V value dim, W convolution width, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import dplr_delta_rule, l2_norm, rms_norm, short_convolution, step_bias

CONVOLUTION_WIDTH = 4
DECAY_RATES = (1.0, 16.0)  # exp(A) at the start, uniform; the authors' code
TIME_STEPS = (1e-3, 1e-1)  # softplus(b) at the start, log-uniform; the authors' code


class Mixer(nn.Module):
    """Delta-rule memory with channel-wise decay; 4 D^2 + 4 D^2 / H parameters and some."""

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
        self.beta = nn.Linear(d_model, n_heads, bias=False)
        self.step_down = nn.Linear(d_model, rank, bias=False)
        self.step_up = nn.Linear(rank, d_model, bias=False)
        self.log_rate_H = nn.Parameter(torch.empty(n_heads).uniform_(*DECAY_RATES).log())
        self.step_bias_D = nn.Parameter(step_bias(d_model, *TIME_STEPS))
        self.gate_down = nn.Linear(d_model, rank, bias=False)
        self.gate_up = nn.Linear(rank, d_model, bias=False)
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
        beta_BTH1 = self.beta(x_BTD).sigmoid()[..., None]
        log_decay_BTHK = self._log_decay(x_BTD)
        o_BTHV, memory = dplr_delta_rule(
            q_BTHK,
            beta_BTH1 * k_BTHK,
            v_BTHV,
            -beta_BTH1 * k_BTHK,
            k_BTHK * log_decay_BTHK.exp(),
            log_decay_BTHK,
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        gate_BTHV = self._heads(self.gate_up(self.gate_down(x_BTD)))
        y_BTHV = rms_norm(o_BTHV, self.norm_weight) * gate_BTHV.sigmoid()
        return self.out(y_BTHV.flatten(-2)), {"memory": memory, "convolution": convolution}

    def _log_decay(self, x_BTD: Tensor) -> Tensor:
        step_BTD = F.softplus(self.step_up(self.step_down(x_BTD)) + self.step_bias_D)
        return -self.log_rate_H.exp()[:, None] * self._heads(step_BTD)

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.n_heads, -1))
