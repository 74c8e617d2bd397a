"""Retention: linear attention that forgets at a fixed rate per head, with rotary positions.

Sun et al. 2023, "Retentive Network: A Successor to Transformer for Large Language Models"
(arXiv 2307.08621).

    S_t = gamma_h S_{t-1} + k_t v_t^T,    gamma_h = 1 - 2^(-5-h)
    y_t = W_o (swish(W_g x_t) * norm(S_t^T q_t / sqrt(K))),    q, k rotated by t * 10000^(-2i/K)

Simplified: values as wide as keys (the paper doubles them), so that all references but Mamba carry
one state size; the norm per head is RMS without a weight; the paper's rescaling of retention
scores is left out, since the norm undoes it; default instead of Xavier (gain 2^-2.5) initial
weights.

B batch, T time, H heads, K key dim, R = K/2 rotation planes, V value dim, D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import linear_attention, rms_norm

ROTARY_BASE = 10_000.0  # Su et al. 2021, arXiv 2104.09864


class Mixer(nn.Module):
    """Multi-scale retention; 5 D^2 parameters."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        if d_model % (2 * n_heads):
            raise ValueError(f"rotary heads need an even size, got {d_model} / {n_heads}")
        self.n_heads = n_heads
        self.qkvg = nn.Linear(d_model, 4 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds S and how many positions it has seen."""
        q_BTHK, k_BTHK, v_BTHV, gate_BTHV = (
            part.unflatten(-1, (self.n_heads, -1)) for part in self.qkvg(x_BTD).chunk(4, dim=-1)
        )
        if state is None:
            start_B = torch.zeros(len(x_BTD), dtype=torch.int64, device=x_BTD.device)
            state = {"memory": None, "position": start_B}
        o_BTHV, memory_BHKV = linear_attention(
            _rotate(q_BTHK, state["position"]),
            _rotate(k_BTHK, state["position"]),
            v_BTHV,
            log_decay=self._log_decay(x_BTD),
            state_BHKV=state["memory"],
            scale=q_BTHK.shape[-1] ** -0.5,
        )
        y_BTHV = rms_norm(o_BTHV) * F.silu(gate_BTHV)
        state = {"memory": memory_BHKV, "position": state["position"] + x_BTD.shape[1]}
        return self.out(y_BTHV.flatten(-2)), state

    def _log_decay(self, like: Tensor) -> Tensor:
        dtype = torch.promote_types(like.dtype, torch.float32)
        head_H = torch.arange(self.n_heads, dtype=dtype, device=like.device)
        return torch.log1p(-(2.0 ** (-5.0 - head_H)))


def _rotate(x_BTHK: Tensor, start_B: Tensor) -> Tensor:
    n_time, n_planes = x_BTHK.shape[1], x_BTHK.shape[-1] // 2
    dtype = torch.promote_types(x_BTHK.dtype, torch.float32)  # half precision miscounts positions
    plane_R = torch.arange(n_planes, dtype=dtype, device=x_BTHK.device)
    time_BT = start_B[:, None] + torch.arange(n_time, device=x_BTHK.device)
    angle_BT1R = time_BT.to(dtype)[..., None, None] * ROTARY_BASE ** (-plane_R / n_planes)
    cos_BT1R = angle_BT1R.cos().to(x_BTHK.dtype)
    sin_BT1R = angle_BT1R.sin().to(x_BTHK.dtype)
    a_BTHR, b_BTHR = x_BTHK.chunk(2, dim=-1)
    return torch.cat(
        [a_BTHR * cos_BT1R - b_BTHR * sin_BT1R, a_BTHR * sin_BT1R + b_BTHR * cos_BT1R], dim=-1
    )
