"""Values that gates start from, drawn once when a layer is built."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def step_bias(size: int, low: float = 1e-3, high: float = 1e-1) -> Tensor:
    """Draw b so that softplus(b) is log-uniform between low and high: how gated memories start.

    Args:
        size: how many.
        low: smallest softplus(b); above 0. The defaults are those of Mamba-2.
        high: largest softplus(b).

    Returns:
        b (size,), in the default dtype.

    Source: Gu & Dao 2023, arXiv 2312.00752, section 3.6; the authors' code.
    """
    step = torch.empty(size).uniform_(math.log(low), math.log(high)).exp()
    return step + torch.log(-torch.expm1(-step))  # the inverse of softplus
