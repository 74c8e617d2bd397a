"""`fla.layers.utils`: from padded rows to one packed row and back; access to a layer's cache.

B batch, T time, N real tokens of all rows together.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "get_layer_cache",
    "get_unpad_data",
    "index_first_axis",
    "index_put_first_axis",
    "pad_input",
    "require_cache_layer_idx",
    "unpad_input",
    "update_layer_cache",
]


def get_unpad_data(attention_mask: Tensor) -> tuple[Tensor, Tensor, int]:
    """Return (places of the real tokens in the flattened batch, row borders, longest row).

    Args:
        attention_mask: (B, T), 1 where there is a token.

    Returns:
        indices (N,), cu_seqlens (B + 1,) int32, max_seqlen.
    """
    lengths_B = attention_mask.sum(dim=-1, dtype=torch.int32)
    indices_N = torch.nonzero(attention_mask.flatten(), as_tuple=False).flatten()
    borders = F.pad(torch.cumsum(lengths_B, dim=0, dtype=torch.int32), (1, 0))
    return indices_N, borders, int(lengths_B.max().item())


def index_first_axis(x: Tensor, indices_N: Tensor) -> Tensor:
    """Pick rows of the first axis."""
    return x.index_select(0, indices_N)


def index_put_first_axis(values: Tensor, indices_N: Tensor, first_axis_dim: int) -> Tensor:
    """Put rows back to their places along a first axis of this length; zeros elsewhere."""
    empty = values.new_zeros(first_axis_dim, *values.shape[1:])
    return empty.index_copy(0, indices_N, values)


def pad_input(hidden_states: Tensor, indices_N: Tensor, batch_size: int, seq_len: int) -> Tensor:
    """Turn packed tokens (N, ...) into padded rows (B, T, ...)."""
    flat = index_put_first_axis(hidden_states, indices_N, batch_size * seq_len)
    return flat.unflatten(0, (batch_size, seq_len))


def unpad_input(
    q: Tensor,
    states: tuple[Tensor, ...],
    attention_mask: Tensor,
    q_len: int,
    keepdim: bool = False,  # noqa: FBT001, FBT002 - fla's signature
) -> tuple[Tensor, tuple[Tensor, ...], Tensor, tuple[Tensor, Tensor], tuple[int, int]]:
    """Pack queries and states; returns (q, states, indices of q, row borders, longest rows)."""
    indices_N, borders, longest = get_unpad_data(attention_mask)
    packed = tuple(index_first_axis(s.flatten(0, 1), indices_N) for s in states)
    if q_len == states[0].shape[1]:
        q, indices_q, borders_q, longest_q = (
            index_first_axis(q.flatten(0, 1), indices_N),
            indices_N,
            borders,
            longest,
        )
    elif q_len == 1:
        borders_q = torch.arange(len(q) + 1, dtype=torch.int32, device=q.device)
        q, indices_q, longest_q = q.squeeze(1), borders_q[:-1], 1
    else:
        raise NotImplementedError("unpad_input needs q_len 1 or the length of the states")
    if keepdim:
        q, packed = q.unsqueeze(0), tuple(s.unsqueeze(0) for s in packed)
    return q, packed, indices_q, (borders_q, borders), (longest_q, longest)


def require_cache_layer_idx(module: nn.Module, past_key_values: Any) -> Any:
    """Return the layer's index; a layer with a cache must have one."""
    layer_idx = getattr(module, "layer_idx", None)
    if past_key_values is not None and layer_idx is None:
        raise ValueError(f"{type(module).__name__} needs layer_idx to use past_key_values")
    return layer_idx


def get_layer_cache(module: nn.Module, past_key_values: Any) -> Any:
    """Return what this layer stored, or None."""
    layer_idx = require_cache_layer_idx(module, past_key_values)
    if past_key_values is not None and len(past_key_values) > layer_idx:
        return past_key_values[layer_idx]
    return None


def update_layer_cache(module: nn.Module, past_key_values: Any, **stored: Any) -> Any:
    """Store this layer's state in the cache, if there is one."""
    layer_idx = require_cache_layer_idx(module, past_key_values)
    if past_key_values is not None:
        past_key_values.update(layer_idx=layer_idx, **stored)
    return past_key_values
