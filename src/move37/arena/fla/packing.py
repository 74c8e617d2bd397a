"""Sequences packed one after another in one row, as `cu_seqlens` describes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def by_sequence(
    compute: Callable[..., tuple[Tensor, Tensor]],
    inputs: tuple[Tensor, ...],
    state: Tensor | None,
    cu_seqlens: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run `compute(*inputs, state) -> (y, state)` on each packed sequence by itself.

    Args:
        compute: on (B, T, ...) tensors.
        inputs: (B, T, ...); B is 1 when cu_seqlens is given.
        state: first axis: sequences.
        cu_seqlens: (sequences + 1,) borders, or None for one sequence a row.

    Raises:
        ValueError: a batch of rows together with cu_seqlens.
    """
    if cu_seqlens is None:
        return compute(*inputs, state)
    if len(inputs[0]) != 1:
        raise ValueError(f"with cu_seqlens the batch must be 1, got {len(inputs[0])}")
    borders = [int(b) for b in cu_seqlens]
    outputs, states = [], []
    for n, (start, end) in enumerate(itertools.pairwise(borders)):
        part = tuple(x[:, start:end] for x in inputs)
        y, s = compute(*part, None if state is None else state[n : n + 1])
        outputs.append(y)
        states.append(s)
    return torch.cat(outputs, dim=1), torch.cat(states, dim=0)
