"""Gated linear attention: every key channel forgets at its own, data-dependent rate.

Yang et al. 2023, "Gated Linear Attention Transformers with Hardware-Efficient Training"
(arXiv 2312.06635).

    S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,    alpha_t = sigmoid(W_2 W_1 x_t + b)^(1/16)
    y_t = W_o (swish(W_g x_t) * norm(S_t^T q_t / sqrt(K)))

Simplified: keys as wide as values (the paper halves them), so that all references but Mamba carry
one state size; the norm per head is RMS instead of LayerNorm, as in the authors' later code. No
short convolution, as in the paper.

B batch, T time, H heads, K key dim, V value dim, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import gated_rms_norm, linear_attention

GATE_RANK = 16  # the paper's
GATE_TEMPERATURE = 16.0  # the paper's tau: slow forgetting at the start of training


class Mixer(nn.Module):
    """Linear attention with a gate per key channel; 5 D^2 + 32 D parameters."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        self.n_heads = n_heads
        self.qkvg = nn.Linear(d_model, 4 * d_model, bias=False)
        self.decay_down = nn.Linear(d_model, GATE_RANK, bias=False)
        self.decay_up = nn.Linear(GATE_RANK, d_model)
        self.norm_weight = nn.Parameter(torch.ones(d_model // n_heads))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mix over time; `state` is S, (B, H, K, V)."""
        logit_BTD = self.decay_up(self.decay_down(x_BTD))
        log_decay_BTHK = self._heads(F.logsigmoid(logit_BTD) / GATE_TEMPERATURE)
        q_BTHK, k_BTHK, v_BTHV, gate_BTHV = map(self._heads, self.qkvg(x_BTD).chunk(4, dim=-1))
        o_BTHV, state = linear_attention(
            q_BTHK,
            k_BTHK,
            v_BTHV,
            log_decay=log_decay_BTHK,
            state_BHKV=state,
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        y_BTHV = gated_rms_norm(o_BTHV, gate_BTHV, self.norm_weight)
        return self.out(y_BTHV.flatten(-2)), state

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.n_heads, -1))
