"""The elementwise linear recurrence, as a scan of logarithmic depth.

B batch, T time, D any trailing axes, J blocks of C positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena.kernels.autograd import first_derivative
from move37.arena.kernels.dispatch import computing_dtype, full_precision
from move37.arena.kernels.shapes import check_shape
from move37.core.errors import ShapeError

BLOCK = 32  # assumed: five levels of pairing, then one recursion on T / 32 block ends


def associative_scan(
    x_BTD: Tensor, log_decay_BTD: Tensor, *, state_BD: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum the past of every element, fading.

        h_t = exp(g_t) h_{t-1} + x_t

    Args:
        x_BTD: inputs; any number of trailing axes, also none.
        log_decay_BTD: g, in [-inf, 0], shaped like x.
        state_BD: h before the first position; None is zero.

    Returns:
        h (B, T, D) in the dtype of x, and its last row (B, D) in float32 at least.
        Differentiable once.

    Raises:
        ShapeError: axes do not fit.

    Cost: O(T) work, O(log T) operations.
    Source: Blelloch 1990, "Prefix Sums and Their Applications"; in models: Martin & Cundy 2017,
    arXiv 1709.04057.
    """
    if x_BTD.ndim < 2 or x_BTD.shape[1] < 1:
        raise ShapeError(f"x must be (B, T, ...) with T >= 1, got {tuple(x_BTD.shape)}")
    x_shape = f"x {tuple(x_BTD.shape)}"
    check_shape("log_decay", log_decay_BTD, tuple(x_BTD.shape), x_shape)
    if state_BD is not None:
        check_shape("state", state_BD, (x_BTD.shape[0], *x_BTD.shape[2:]), x_shape)
    with full_precision(x_BTD):
        dtype = computing_dtype(x_BTD, log_decay_BTD, state_BD)
        start = torch.zeros_like(x_BTD[:, 0]) if state_BD is None else state_BD
        h_BTD = _Scan.apply(x_BTD.to(dtype), log_decay_BTD.to(dtype), start.to(dtype))
        return h_BTD.to(x_BTD.dtype), h_BTD[:, -1]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, log_decay: Tensor, start: Tensor) -> Tensor:
        decay = log_decay.exp()
        h = scan(x, decay, start)
        ctx.save_for_backward(decay, h, start)
        return h

    @staticmethod
    @first_derivative
    def backward(ctx: Any, d_h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, h, start = ctx.saved_tensors
        before = torch.cat([start[:, None], h[:, :-1]], dim=1)
        after = torch.cat([decay[:, 1:], torch.zeros_like(decay[:, :1])], dim=1)
        d_x = scan(d_h.flip(1), after.flip(1), torch.zeros_like(start)).flip(1)
        return d_x, d_x * before * decay, d_x[:, 0] * decay[:, 0]


def scan(x_BTD: Tensor, decay_BTD: Tensor, start_BD: Tensor) -> Tensor:
    """Return h with h_t = decay_t h_{t-1} + x_t, without a graph.

    Neighbouring runs of 1, 2, 4, … positions merge: the second run adds what the first ends with,
    faded; its decays grow by the first's. Then the ends of the blocks are scanned the same way.
    """
    n_time = x_BTD.shape[1]
    size = min(BLOCK, 1 << (n_time - 1).bit_length())
    h, decay = _blocks(x_BTD, size), _blocks(decay_BTD, size)
    run = 1
    while run < size:
        h_first, h_second = h.unflatten(2, (-1, 2, run)).unbind(3)
        decay_first, decay_second = decay.unflatten(2, (-1, 2, run)).unbind(3)
        h_second.addcmul_(decay_second, h_first[:, :, :, -1:])
        decay_second.mul_(decay_first[:, :, :, -1:])
        run *= 2
    if h.shape[1] == 1:
        before = start_BD[:, None]
    else:
        ends = scan(h[:, :-1, -1], decay[:, :-1, -1], start_BD)
        before = torch.cat([start_BD[:, None], ends], dim=1)
    h.addcmul_(decay, before[:, :, None])
    return h.flatten(1, 2)[:, :n_time]


def _blocks(x_BTD: Tensor, size: int) -> Tensor:
    """Return a copy as (B, J, C, ...), padded with zeros."""
    padding = -x_BTD.shape[1] % size
    n_trailing = x_BTD.ndim - 2
    padded = F.pad(x_BTD, (*(0, 0) * n_trailing, 0, padding)) if padding else x_BTD.clone()
    return padded.contiguous().unflatten(1, (-1, size))
