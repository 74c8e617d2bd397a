"""Cut sequences into chunks and put them back: the layout in which the fast forms compute.

Time becomes J chunks of C positions; batch and heads merge into G = B·H rows. Padding positions
are zeros (a log decay of 0, nothing read, nothing written), which every recurrence of this package
passes over without a trace.

B batch, T time, H heads, K any last axis, J chunks, G = B·H, C positions in a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena.kernels.dispatch import computing_dtype
from move37.core.errors import ShapeError

CHUNK_RANGE = (16, 64)  # measured: half the head's width is fastest; bench/kernels.py --chunks


@dataclass(frozen=True, slots=True)
class Chunking:
    """How one call is cut: fixed by its lengths, used for every tensor of the call."""

    n_batch: int
    n_time: int
    n_heads: int
    size: int
    """Positions in a chunk; a power of two, so that halves of halves exist."""
    dtype: torch.dtype
    """What the call computes in."""

    @property
    def count(self) -> int:
        """Number of chunks, the last one padded."""
        return -(-self.n_time // self.size)

    def cut(self, x_BTHK: Tensor, scale: float = 1.0) -> Tensor:
        """Return scale * x as (J, G, C, K), contiguous, in the computing dtype."""
        x_BTHK = x_BTHK.to(self.dtype)
        if scale != 1.0:
            x_BTHK = x_BTHK * scale
        if padding := self.count * self.size - self.n_time:
            x_BTHK = F.pad(x_BTHK, (0, 0, 0, 0, 0, padding))
        x_BJCHK = x_BTHK.unflatten(1, (self.count, self.size))
        return x_BJCHK.permute(1, 0, 3, 2, 4).flatten(1, 2).contiguous()

    def cut_decay(self, log_decay: Tensor | None) -> Tensor | None:
        """Return (J, G, C, 1) or (J, G, C, K) from (H,), (B, T, H) or (B, T, H, K)."""
        if log_decay is None:
            return None
        if log_decay.ndim == 1:
            log_decay = log_decay.expand(self.n_batch, self.n_time, self.n_heads)
        return self.cut(log_decay if log_decay.ndim == 4 else log_decay[..., None])

    def join(self, x_JGCK: Tensor) -> Tensor:
        """Return (B, T, H, K) from chunks."""
        x_JBHCK = x_JGCK.unflatten(1, (self.n_batch, self.n_heads))
        x_BTHK = x_JBHCK.permute(1, 0, 3, 2, 4).flatten(1, 2)
        return x_BTHK[:, : self.n_time].contiguous()

    def start(self, state_BHKV: Tensor | None, k: Tensor, v: Tensor) -> Tensor:
        """Return the state before the first chunk as (G, K, V); zeros if there is none."""
        if state_BHKV is None:
            return k.new_zeros(k.shape[1], k.shape[-1], v.shape[-1])
        return state_BHKV.to(self.dtype).flatten(0, 1)

    def finish(self, state_GKV: Tensor) -> Tensor:
        """Return (B, H, K, V)."""
        return state_GKV.unflatten(0, (self.n_batch, self.n_heads))


def chunking(*tensors: Tensor | None, like: Tensor, chunk_size: int | None) -> Chunking:
    """Decide how to cut a call whose first three axes are those of `like`.

    Args:
        *tensors: all arguments of the call; they fix the dtype.
        like: (B, T, H, K).
        chunk_size: a power of two, or None for the default. A short call uses a smaller one.

    Raises:
        ShapeError: chunk_size is not a power of two.
    """
    size = default_chunk(like.shape[-1]) if chunk_size is None else chunk_size
    if size < 1 or size & (size - 1):
        raise ShapeError(f"chunk_size must be a power of two, got {size}; use 16, 32 or 64")
    n_batch, n_time, n_heads = like.shape[:3]
    size = min(size, 1 << (n_time - 1).bit_length())
    return Chunking(n_batch, n_time, n_heads, size, computing_dtype(like, *tensors))


def default_chunk(width: int) -> int:
    """Return the power of two at or below half the width, within CHUNK_RANGE."""
    half = 1 << max(width // 2, 1).bit_length() - 1
    return min(max(half, CHUNK_RANGE[0]), CHUNK_RANGE[1])
