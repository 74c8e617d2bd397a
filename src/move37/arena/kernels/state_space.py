"""Mamba-2's state space in its dual, chunk-parallel form.

B batch, T time, H heads, P head size, N state size.
"""

from __future__ import annotations

from torch import Tensor

from move37.arena.kernels.linear_attention import linear_attention
from move37.arena.kernels.shapes import check_qkv, check_shape


def state_space_dual(
    x_BTHP: Tensor,
    dt_BTH: Tensor,
    A_H: Tensor,
    B_BTHN: Tensor,
    C_BTHN: Tensor,
    *,
    state: Tensor | None = None,
    chunk_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Drive a decaying state with dt x along B and read it along C.

        h_t = exp(dt_t A) h_{t-1} + B_t (dt_t x_t)^T        y_t = h_t^T C_t

    Args:
        x_BTHP: inputs.
        dt_BTH: step sizes, >= 0 (softplus).
        A_H: decay rates, <= 0.
        B_BTHN: input directions; share them among heads with `expand`.
        C_BTHN: output directions.
        state: h before the first position, (B, H, N, P); None is zero.
        chunk_size: positions computed in parallel, a power of two; None is best on most machines.

    Returns:
        y (B, T, H, P) in the dtype of x, and h after the last position (B, H, N, P) in float32 at
        least. Mamba's skip D x is the caller's. Differentiable once.

    Raises:
        ShapeError: axes do not fit.

    Source: Dao & Gu 2024, arXiv 2405.21060.
    """
    check_qkv(C_BTHN, B_BTHN, x_BTHP, state)
    because = f"x {tuple(x_BTHP.shape)}"
    check_shape("dt", dt_BTH, tuple(x_BTHP.shape[:3]), because)
    check_shape("A", A_H, tuple(x_BTHP.shape[2:3]), because)
    y_BTHP, state = linear_attention(
        C_BTHN,
        B_BTHN,
        x_BTHP * dt_BTH[..., None],
        log_decay=dt_BTH * A_H,
        state_BHKV=state,
        chunk_size=chunk_size,
    )
    return y_BTHP.to(x_BTHP.dtype), state
