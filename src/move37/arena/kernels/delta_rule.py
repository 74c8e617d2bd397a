"""The delta rule, plain and gated, chunk-parallel.

B batch, T time, H heads, K key dim, V value dim, J chunks, G = B·H, C positions in a chunk.
"""

from __future__ import annotations

from torch import Tensor

from move37.arena.kernels import cuda
from move37.arena.kernels.carry import erasing_carry
from move37.arena.kernels.chunks import chunking
from move37.arena.kernels.decay import decay_rows
from move37.arena.kernels.dispatch import fla_dtype, full_precision
from move37.arena.kernels.shapes import check_log_decay, check_qkv, check_shape


def delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Correct what the memory answers to k towards v, by the share beta.

        S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T        o_t = scale * S_t^T q_t

    Args:
        q_BTHK: queries.
        k_BTHK: keys, used as given: scale them to unit length (`l2_norm`), or S may explode.
        v_BTHV: values.
        beta_BTH: in (0, 1); up to 2 lets the memory flip a sign (state tracking).
        state_BHKV: S before the first position; None is zero.
        scale: multiplies the output.
        chunk_size: positions computed in parallel, a power of two; None is best on most machines.

    Returns:
        o (B, T, H, V) in the dtype of v, and S after the last position (B, H, K, V) in float32 at
        least. Differentiable once.

    Raises:
        ShapeError: axes do not fit.

    Source: Schlag et al. 2021, arXiv 2102.11174; chunks after Yang et al. 2024, arXiv 2406.06484.
    """
    return _delta_rule(
        q_BTHK, k_BTHK, v_BTHV, beta_BTH, None, state_BHKV, scale=scale, chunk_size=chunk_size
    )


def gated_delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    log_decay: Tensor,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Let the memory fade, then correct what it answers to k towards v, by the share beta.

        S_t = (I - beta_t k_t k_t^T) diag(exp(g_t)) S_{t-1} + beta_t k_t v_t^T
        o_t = scale * S_t^T q_t

    Args:
        q_BTHK: queries.
        k_BTHK: keys, used as given: scale them to unit length (`l2_norm`), or S may explode.
        v_BTHV: values.
        beta_BTH: in (0, 1); up to 2 lets the memory flip a sign (state tracking).
        log_decay: g, in [-inf, 0]: (B, T, H) per head (Gated DeltaNet), or (B, T, H, K) per key
            channel (Kimi Delta Attention).
        state_BHKV: S before the first position; None is zero.
        scale: multiplies the output.
        chunk_size: positions computed in parallel, a power of two; None is best on most machines.

    Returns:
        o (B, T, H, V) in the dtype of v, and S after the last position (B, H, K, V) in float32 at
        least. Differentiable once.

    Raises:
        ShapeError: axes do not fit.

    Source: Yang et al. 2024, arXiv 2412.06464; per channel: Kimi Team 2025, arXiv 2510.26692.
    """
    check_log_decay(log_decay, k_BTHK, ndims=(3, 4))
    return _delta_rule(
        q_BTHK, k_BTHK, v_BTHV, beta_BTH, log_decay, state_BHKV, scale=scale, chunk_size=chunk_size
    )


def _delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    log_decay: Tensor | None,
    state_BHKV: Tensor | None,
    *,
    scale: float,
    chunk_size: int | None,
) -> tuple[Tensor, Tensor]:
    check_qkv(q_BTHK, k_BTHK, v_BTHV, state_BHKV)
    check_shape("beta", beta_BTH, tuple(k_BTHK.shape[:3]), f"k {tuple(k_BTHK.shape)}")
    inputs = (q_BTHK, k_BTHK, v_BTHV, beta_BTH, log_decay, state_BHKV)
    if dtype := fla_dtype(q_BTHK, v_BTHV):
        return cuda.delta_rule(*inputs, scale=scale, dtype=dtype)
    with full_precision(q_BTHK):
        cut = chunking(*inputs, like=q_BTHK, chunk_size=chunk_size)
        q, k, v = cut.cut(q_BTHK, scale), cut.cut(k_BTHK), cut.cut(v_BTHV)
        beta = cut.cut(beta_BTH[..., None])
        decayed = decay_rows([beta * k, q], [k], cut.cut_decay(log_decay))
        (overlap,), (seen,) = decayed.pairs
        read, query = decayed.lefts
        correction_JGCV, states_JGKV, last_GKV = erasing_carry(
            overlap,
            read,
            beta * v,
            decayed.rights[0],
            None,
            decayed.whole,
            cut.start(state_BHKV, k, v),
        )
        o_JGCV = seen @ correction_JGCV + query @ states_JGKV
        return cut.join(o_JGCV).to(v_BTHV.dtype), cut.finish(last_GKV)
