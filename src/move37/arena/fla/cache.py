"""`fla.models.utils.Cache`: what each layer remembers between calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["Cache", "FLACache", "LegacyFLACache"]

KEYS = ("recurrent_state", "attn_state", "conv_state", "ffn_state")


class Cache:
    """States by layer.

    Args:
        seen_tokens: how many tokens came before.
    """

    is_compileable = True

    def __init__(self, seen_tokens: int = 0, **_options: Any) -> None:
        self.states: list[dict[str, Any]] = []
        self.seen: list[int] = []
        self._start = int(seen_tokens)

    def __len__(self) -> int:
        """Return the number of layers that have stored something."""
        return len(self.states)

    def __bool__(self) -> bool:
        """An empty cache is still a cache."""
        return True

    def __getitem__(self, layer_idx: int) -> dict[str, Any]:
        """Return a layer's state by key."""
        if layer_idx >= len(self.states):
            raise KeyError(f"the cache has {len(self.states)} layers, no layer {layer_idx}")
        return self.states[layer_idx]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the layers' states."""
        return iter(self.states)

    def update(
        self,
        recurrent_state: Any = None,
        attn_state: tuple[Tensor, ...] | None = None,
        conv_state: Any = None,
        ffn_state: Any = None,
        layer_idx: int = 0,
        offset: int | None = 1,
        cache_kwargs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Store a layer's new states; keys and values of attention are appended, others replaced.

        Args:
            recurrent_state: replaces the last one.
            attn_state: (B, T, ...) tensors, appended in time, cut to `window_size` of cache_kwargs.
            conv_state: replaces the last one.
            ffn_state: replaces the last one.
            layer_idx: the layer; those below it come into being empty.
            offset: tokens seen in this call.
            cache_kwargs: may hold `window_size`.
        """
        while len(self.states) <= layer_idx:
            self.states.append(dict.fromkeys(KEYS))
            self.seen.append(self._start)
        state = self.states[layer_idx]
        if attn_state is not None:
            window = (cache_kwargs or {}).get("window_size")
            state["attn_state"] = _appended(state["attn_state"], attn_state, window)
        for key, value in (
            ("recurrent_state", recurrent_state),
            ("conv_state", conv_state),
            ("ffn_state", ffn_state),
        ):
            if value is not None:
                state[key] = value
        self.seen[layer_idx] += 1 if offset is None else int(offset)
        return state

    def get_seq_length(self, layer_idx: int | None = 0, cache_position: Any = None) -> int:
        """Return how many tokens a layer has seen."""
        del cache_position
        index = layer_idx or 0
        return self.seen[index] if index < len(self.seen) else self._start

    def get_max_cache_shape(self, layer_idx: int = 0) -> int:
        """Return -1: there is no maximum."""
        del layer_idx
        return -1

    def to_legacy_cache(self) -> tuple[dict[str, Any], ...]:
        """Return the states by layer."""
        return tuple(self.states)

    @classmethod
    def from_legacy_cache(
        cls, past_key_values: Any = None, seen_tokens: int = 0, **_options: Any
    ) -> Cache:
        """Return a cache with these states by layer."""
        cache = cls(seen_tokens)
        for layer_idx, stored in enumerate(past_key_values or ()):
            cache.update(layer_idx=layer_idx, offset=0)
            cache.states[layer_idx] = dict.fromkeys(KEYS) | dict(stored)
        return cache


def _appended(
    old: tuple[Tensor, ...] | None, new: tuple[Tensor, ...], window: int | None
) -> tuple[Tensor, ...]:
    joined = (
        tuple(new)
        if old is None
        else tuple(torch.cat([a, b], dim=1) for a, b in zip(old, new, strict=True))
    )
    return joined if window is None else tuple(x[:, -window:] for x in joined)


FLACache = LegacyFLACache = Cache
