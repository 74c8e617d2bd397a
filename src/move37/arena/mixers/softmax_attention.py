"""Causal softmax attention with rotary positions: the upper reference.

Vaswani et al. 2017, "Attention Is All You Need" (arXiv 1706.03762); positions after Su et al. 2021,
"RoFormer" (arXiv 2104.09864).

    o_t = sum_{s <= t} softmax_s(q_t . k_s / sqrt(K)) v_s,    q, k rotated by t * 10000^(-2i/K)

The state is the cache of all keys and values: it grows with the text, alone among the references.

Simplified: no biases, no dropout, no grouped heads; the whole head is rotated.

B batch, T new positions, S all positions so far, H heads, K key dim, R = K/2 rotation planes,
D channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROTARY_BASE = 10_000.0  # Su et al. 2021, section 3.3


class Mixer(nn.Module):
    """Multi-head attention; 4 D^2 parameters."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        if d_model % (2 * n_heads):
            raise ValueError(f"rotary heads need an even size, got {d_model} / {n_heads}")
        self.n_heads = n_heads
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds the rotated keys and the values of all earlier positions."""
        q_BTHK, k_BSHK, v_BSHK = (
            part.unflatten(-1, (self.n_heads, -1)) for part in self.qkv(x_BTD).chunk(3, dim=-1)
        )
        n_past = 0 if state is None else state["k"].shape[1]
        q_BTHK, k_BSHK = _rotate(q_BTHK, n_past), _rotate(k_BSHK, n_past)
        if state is not None:
            k_BSHK = torch.cat([state["k"], k_BSHK], dim=1)
            v_BSHK = torch.cat([state["v"], v_BSHK], dim=1)
        o_BTHK = _attend(q_BTHK, k_BSHK, v_BSHK)
        return self.out(o_BTHK.flatten(-2)), {"k": k_BSHK, "v": v_BSHK}


def _rotate(x_BTHK: Tensor, first_position: int) -> Tensor:
    n_time, n_planes = x_BTHK.shape[1], x_BTHK.shape[-1] // 2
    dtype = torch.promote_types(x_BTHK.dtype, torch.float32)  # half precision miscounts positions
    plane_R = torch.arange(n_planes, dtype=dtype, device=x_BTHK.device)
    time_T = torch.arange(n_time, dtype=dtype, device=x_BTHK.device) + first_position
    angle_TR = time_T[:, None] * ROTARY_BASE ** (-plane_R / n_planes)
    cos_T1R = angle_TR.cos()[:, None].to(x_BTHK.dtype)
    sin_T1R = angle_TR.sin()[:, None].to(x_BTHK.dtype)
    a_BTHR, b_BTHR = x_BTHK.chunk(2, dim=-1)
    return torch.cat(
        [a_BTHR * cos_T1R - b_BTHR * sin_T1R, a_BTHR * sin_T1R + b_BTHR * cos_T1R], dim=-1
    )


def _attend(q_BTHK: Tensor, k_BSHK: Tensor, v_BSHK: Tensor) -> Tensor:
    n_new, n_all = q_BTHK.shape[1], k_BSHK.shape[1]
    mask_TS = None
    if n_new < n_all:
        mask_TS = torch.ones(n_new, n_all, dtype=torch.bool, device=q_BTHK.device)
        mask_TS = mask_TS.tril(n_all - n_new)
    o_BHTK = F.scaled_dot_product_attention(
        q_BTHK.transpose(1, 2),
        k_BSHK.transpose(1, 2),
        v_BSHK.transpose(1, 2),
        attn_mask=mask_TS,
        is_causal=mask_TS is None,
    )
    return o_BHTK.transpose(1, 2)
