"""HGRN2: a gated linear RNN whose key is what its forget gate lets go.

Qin et al. 2024, "HGRN2: Gated Linear RNNs with State Expansion" (arXiv 2404.07904).

    S_t = diag(f_t) S_{t-1} + (1 - f_t) v_t^T,    f_t = l + (1 - l) sigmoid(W_f x_t)
    y_t = W_o norm(S_t^T silu(W_q x_t))

The lower bound l is 0 in the first layer and learned, per channel, in the others. The norm is RMS
over all channels. There is no other gate: the query took the place of HGRN's output gate.

Simplified: a mixer knows neither its siblings nor how many there are, so l is learned by each layer
alone instead of through a cumulative softmax over layers; layer n starts at n / (n + 1), which is
where that softmax puts the last of n + 1 layers.

B batch, T time, H heads, K key dim, V value dim, D channels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import linear_attention, rms_norm


class Mixer(nn.Module):
    """Gated linear RNN with an outer-product state; 4 D^2 parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qfv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.bound_logit_D = None
        if layer_index > 0:
            # sigmoid(log n) = n / (n + 1)
            self.bound_logit_D = nn.Parameter(torch.full((d_model,), math.log(layer_index)))
        self.norm_weight = nn.Parameter(torch.ones(d_model))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mix over time; `state` is S, (B, H, K, V)."""
        q_BTD, logit_BTD, v_BTD = self.qfv(x_BTD).chunk(3, dim=-1)
        log_forget_BTD, k_BTD = self._forget(logit_BTD)
        q_BTHK, k_BTHK, v_BTHV, log_forget_BTHK = (
            part.unflatten(-1, (self.n_heads, -1))
            for part in (F.silu(q_BTD), k_BTD, v_BTD, log_forget_BTD)
        )
        o_BTHV, state = linear_attention(
            q_BTHK, k_BTHK, v_BTHV, log_decay=log_forget_BTHK, state_BHKV=state
        )
        return self.out(rms_norm(o_BTHV.flatten(-2), self.norm_weight)), state

    def _forget(self, logit_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """Return log f and 1 - f, each without cancellation."""
        log_open_BTD = F.logsigmoid(logit_BTD)
        closed_BTD = torch.sigmoid(-logit_BTD)
        if self.bound_logit_D is None:
            return log_open_BTD, closed_BTD
        log_bound_D = F.logsigmoid(self.bound_logit_D)
        log_room_D = F.logsigmoid(-self.bound_logit_D)
        log_forget_BTD = torch.logaddexp(log_bound_D, log_room_D + log_open_BTD)
        return log_forget_BTD.clamp(max=0.0), log_room_D.exp() * closed_BTD
