"""Norms over the last axis: by root mean square, by length, and by root mean square with a gate."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from move37.core.errors import ShapeError


def rms_norm(x: Tensor, weight: Tensor | None = None, *, eps: float = 1e-6) -> Tensor:
    """Divide by the root mean square of the last axis, then multiply by `weight`.

    Args:
        x: any shape (..., D).
        weight: (D,), or None for no scale.
        eps: added to the mean square.

    Returns:
        Same shape and dtype as x; computed in float32 at least.

    Raises:
        ShapeError: weight is not (D,).

    Source: Zhang & Sennrich 2019, arXiv 1910.07467.
    """
    _check_weight(x, weight)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    y = F.rms_norm(wide, (x.shape[-1],), None if weight is None else weight.to(wide.dtype), eps)
    return y.to(x.dtype)


def l2_norm(x: Tensor, *, eps: float = 1e-6) -> Tensor:
    """Scale the last axis to unit length: x / sqrt(sum(x^2) + eps).

    Args:
        x: any shape (..., D).
        eps: added to the squared length, so a zero vector stays zero with a finite gradient.

    Returns:
        Same shape and dtype as x; computed in float32 at least.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide * torch.rsqrt(wide.square().sum(-1, keepdim=True) + eps)).to(x.dtype)


def gated_rms_norm(
    x: Tensor, gate: Tensor, weight: Tensor | None = None, *, eps: float = 1e-6
) -> Tensor:
    """Return rms_norm(x, weight) * silu(gate).

    Args:
        x: any shape (..., D).
        gate: the shape of x; not yet activated.
        weight: (D,), or None for no scale.
        eps: added to the mean square.

    Returns:
        Same shape and dtype as x.

    Raises:
        ShapeError: gate is not shaped like x, or weight is not (D,).
    """
    if gate.shape != x.shape:
        raise ShapeError(
            f"gate must have the shape of x: gate {tuple(gate.shape)}, x {tuple(x.shape)}"
        )
    return rms_norm(x, weight, eps=eps) * F.silu(gate).to(x.dtype)


def _check_weight(x: Tensor, weight: Tensor | None) -> None:
    if weight is not None and weight.shape != x.shape[-1:]:
        raise ShapeError(
            f"weight must be ({x.shape[-1]},) for x {tuple(x.shape)}, got {tuple(weight.shape)}"
        )
