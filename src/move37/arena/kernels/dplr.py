"""Diagonal plus low rank: the delta rule with erasing, writing and fading all set apart.

B batch, T time, H heads, K key dim, V value dim, J chunks, G = B·H, C positions in a chunk.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena.kernels import cuda
from move37.arena.kernels.carry import erasing_carry
from move37.arena.kernels.chunks import chunking
from move37.arena.kernels.decay import decay_rows
from move37.arena.kernels.dispatch import fla_dtype, full_precision
from move37.arena.kernels.shapes import check_log_decay, check_qkv, check_shape


def dplr_delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    a_BTHK: Tensor,
    b_BTHK: Tensor,
    log_decay: Tensor | None,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Read the memory with b, write the answer back along a, let it fade, and write k v^T.

        S_t = (diag(exp(g_t)) + a_t b_t^T) S_{t-1} + k_t v_t^T        o_t = scale * S_t^T q_t

    The most general update here. RWKV-7: a = -rate * c and b = c for a unit vector c. Gated
    DeltaNet 2: a = -k, b = exp(g) * e * k for an erase gate e, and v with its write gate. With
    a = -beta k, b = exp(g) * k and k = beta k it is the gated delta rule, which costs less on its
    own.

    Args:
        q_BTHK: queries.
        k_BTHK: keys.
        v_BTHV: values.
        a_BTHK: where the low-rank part writes.
        b_BTHK: where it reads, in the state before this position's decay.
        log_decay: g, in [-inf, 0]: None, (B, T, H) per head or (B, T, H, K) per key channel.
        state_BHKV: S before the first position; None is zero.
        scale: multiplies the output.
        chunk_size: positions computed in parallel, a power of two; None is best on most machines.

    Returns:
        o (B, T, H, V) in the dtype of v, and S after the last position (B, H, K, V) in float32 at
        least. Differentiable once. S stays bounded only if the transition does not expand: that
        is up to a and b.

    Raises:
        ShapeError: axes do not fit.

    Source: Peng et al. 2025, arXiv 2503.14456.
    """
    check_qkv(q_BTHK, k_BTHK, v_BTHV, state_BHKV)
    check_shape("a", a_BTHK, tuple(k_BTHK.shape), f"k {tuple(k_BTHK.shape)}")
    check_shape("b", b_BTHK, tuple(k_BTHK.shape), f"k {tuple(k_BTHK.shape)}")
    check_log_decay(log_decay, k_BTHK, ndims=(3, 4))
    inputs = (q_BTHK, k_BTHK, v_BTHV, a_BTHK, b_BTHK, log_decay, state_BHKV)
    if dtype := fla_dtype(q_BTHK, v_BTHV):
        return cuda.dplr_delta_rule(*inputs, scale=scale, dtype=dtype)
    with full_precision(q_BTHK):
        cut = chunking(*inputs, like=q_BTHK, chunk_size=chunk_size)
        q, k, v = cut.cut(q_BTHK, scale), cut.cut(k_BTHK), cut.cut(v_BTHV)
        a, r = cut.cut(a_BTHK), cut.cut(b_BTHK, -1.0)
        # b_t reads S_{t-1}: as a row of position t-1 it reads what q_{t-1} does
        next_r = F.pad(r[..., 1:, :], (0, 0, 0, 1))
        decayed = decay_rows([next_r, q], [a, k], cut.cut_decay(log_decay))
        (next_ra, next_rk), (qa, qk) = decayed.pairs
        next_read, query = decayed.lefts
        far_a, far_k = decayed.rights
        answer_JGCV, states_JGKV, last_GKV = erasing_carry(
            _one_later(next_ra),
            torch.cat([r[..., :1, :], next_read[..., :-1, :]], dim=-2),
            -_one_later(next_rk @ v),
            far_a,
            far_k.mT @ v,
            decayed.whole,
            cut.start(state_BHKV, k, v),
        )
        o_JGCV = qa @ answer_JGCV + qk @ v + query @ states_JGKV
        return cut.join(o_JGCV).to(v_BTHV.dtype), cut.finish(last_GKV)


def _one_later(x_JGCK: Tensor) -> Tensor:
    """Shift rows down by one; the first becomes zero, the last is dropped."""
    return F.pad(x_JGCK[..., :-1, :], (0, 0, 1, 0))
