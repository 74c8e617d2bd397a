"""Linear attention with no, fixed, per-head or per-channel decay, chunk-parallel.

B batch, T time, H heads, K key dim, V value dim, J chunks, G = B·H, C positions in a chunk.
"""

from __future__ import annotations

from torch import Tensor

from move37.arena.kernels import cuda
from move37.arena.kernels.carry import carry
from move37.arena.kernels.chunks import chunking
from move37.arena.kernels.decay import decay_rows
from move37.arena.kernels.dispatch import fla_dtype, full_precision
from move37.arena.kernels.shapes import check_log_decay, check_qkv


def linear_attention(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    *,
    log_decay: Tensor | None = None,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Write k v^T into a fading memory and read it with q.

        S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T        o_t = scale * S_t^T q_t

    Args:
        q_BTHK: queries.
        k_BTHK: keys.
        v_BTHV: values.
        log_decay: g, in [-inf, 0]: None for no decay, (H,) for a fixed one (RetNet), (B, T, H) per
            head (Mamba-2, mLSTM), (B, T, H, K) per key channel (GLA, HGRN2, RWKV-6).
        state_BHKV: S before the first position; None is zero.
        scale: multiplies the output.
        chunk_size: positions computed in parallel, a power of two; None is best on most machines.

    Returns:
        o (B, T, H, V) in the dtype of v, and S after the last position (B, H, K, V) in float32 at
        least. Differentiable once.

    Raises:
        ShapeError: axes do not fit.

    Cost: O(T · C · (K + V) + T · K · V) per head, C the chunk size.
    Source: Katharopoulos et al. 2020, arXiv 2006.16236; chunks after Yang et al. 2023,
    arXiv 2312.06635.
    """
    check_qkv(q_BTHK, k_BTHK, v_BTHV, state_BHKV)
    check_log_decay(log_decay, k_BTHK, ndims=(1, 3, 4))
    if dtype := fla_dtype(q_BTHK, v_BTHV):
        inputs = (q_BTHK, k_BTHK, v_BTHV, log_decay, state_BHKV)
        return cuda.linear_attention(*inputs, scale=scale, dtype=dtype)
    with full_precision(q_BTHK):
        cut = chunking(k_BTHK, v_BTHV, log_decay, state_BHKV, like=q_BTHK, chunk_size=chunk_size)
        q, k, v = cut.cut(q_BTHK, scale), cut.cut(k_BTHK), cut.cut(v_BTHV)
        decayed = decay_rows([q], [k], cut.cut_decay(log_decay))
        start = cut.start(state_BHKV, k, v)
        states_JGKV, last_GKV = carry(decayed.rights[0].mT @ v, decayed.whole, start)
        o_JGCV = decayed.pairs[0][0] @ v + decayed.lefts[0] @ states_JGKV
        return cut.join(o_JGCV).to(v_BTHV.dtype), cut.finish(last_GKV)
