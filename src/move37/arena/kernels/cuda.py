"""The same recurrences through fla's Triton kernels, argument by argument.

Written from fla's source (0.3 and later, time-major layout). `tests/arena/test_kernels_cuda.py`
compares it with the torch form where there is a GPU; on the one H100 it met so far (fla 0.6.0,
Triton 3.6.0) fla's own kernels refused or failed (docs/log.md, 2026-11-26). `dispatch.fla_dtype`
alone decides that a call comes here.

fla subtracts cumulative sums of log decays, so -inf would become NaN: decays are floored at
exp(LOG_DECAY_FLOOR), which is 0 in half precision.

B batch, T time, H heads, K key dim, V value dim.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from torch import Tensor

LOG_DECAY_FLOOR = -80.0
_MODULES = (
    "fla.ops.simple_gla",
    "fla.ops.gla",
    "fla.ops.delta_rule",
    "fla.ops.gated_delta_rule",
    "fla.ops.kda",
    "fla.ops.generalized_delta_rule",
)


_ENTRIES = ("linear_attention", "delta_rule", "dplr_delta_rule")


@functools.cache
def prepare() -> None:
    """Import fla, and keep torch.compile out of what is below: it fails on what the import runs.

    Raises:
        ModuleNotFoundError: fla is not installed.
    """
    for name in _MODULES:
        importlib.import_module(name)
    for name in _ENTRIES:
        globals()[name] = torch.compiler.disable(globals()[name])


def linear_attention(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    log_decay: Tensor | None,
    state_BHKV: Tensor | None,
    *,
    scale: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """`chunk_gla` for a decay per channel, `chunk_simple_gla` for every other."""
    name = "gla" if log_decay is not None and log_decay.ndim == 4 else "simple_gla"
    kernel = getattr(importlib.import_module(f"fla.ops.{name}"), f"chunk_{name}")
    rows = _rows(dtype, q=q_BTHK, k=k_BTHK, v=v_BTHV)
    return _call(kernel, v_BTHV, state_BHKV, scale, g=_decay(log_decay, q_BTHK), **rows)


def delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    log_decay: Tensor | None,
    state_BHKV: Tensor | None,
    *,
    scale: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """`chunk_delta_rule`, `chunk_gated_delta_rule`, or `chunk_kda` for a decay per channel."""
    rows = _rows(dtype, q=q_BTHK, k=k_BTHK, v=v_BTHV, beta=beta_BTH)
    if log_decay is None:
        kernel = importlib.import_module("fla.ops.delta_rule").chunk_delta_rule
        return _call(kernel, v_BTHV, state_BHKV, scale, **rows)
    if log_decay.ndim == 4:
        kernel = importlib.import_module("fla.ops.kda").chunk_kda
    else:
        kernel = importlib.import_module("fla.ops.gated_delta_rule").chunk_gated_delta_rule
    return _call(kernel, v_BTHV, state_BHKV, scale, g=_decay(log_decay, q_BTHK), **rows)


def dplr_delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    a_BTHK: Tensor,
    b_BTHK: Tensor,
    log_decay: Tensor | None,
    state_BHKV: Tensor | None,
    *,
    scale: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """`chunk_dplr_delta_rule`; there, `a` reads and `b` writes, the other way round than here."""
    kernel = importlib.import_module("fla.ops.generalized_delta_rule").chunk_dplr_delta_rule
    rows = _rows(dtype, q=q_BTHK, k=k_BTHK, v=v_BTHV, a=b_BTHK, b=a_BTHK)
    decay = _decay(log_decay, q_BTHK)
    gk_BTHK = (decay if decay.ndim == 4 else decay[..., None]).expand_as(q_BTHK).contiguous()
    return _call(kernel, v_BTHV, state_BHKV, scale, gk=gk_BTHK, **rows)


def _call(
    kernel: Any,
    v_BTHV: Tensor,
    state_BHKV: Tensor | None,
    scale: float,
    **rows: Tensor,
) -> tuple[Tensor, Tensor]:
    if state_BHKV is not None:
        state_BHKV = state_BHKV.float().contiguous()
    o_BTHV, last_BHKV = kernel(
        **rows, scale=scale, initial_state=state_BHKV, output_final_state=True
    )
    return o_BTHV.to(v_BTHV.dtype), last_BHKV.float()


def _rows(dtype: torch.dtype, **rows: Tensor) -> dict[str, Tensor]:
    return {name: x.to(dtype).contiguous() for name, x in rows.items()}


def _decay(log_decay: Tensor | None, q_BTHK: Tensor) -> Tensor:
    """Return float32 log decays as (B, T, H) or (B, T, H, K)."""
    shape = q_BTHK.shape[:3]
    if log_decay is None:
        return q_BTHK.new_zeros(shape, dtype=torch.float32)
    if log_decay.ndim == 1:
        log_decay = log_decay.expand(shape)
    return log_decay.float().clamp(min=LOG_DECAY_FLOOR).contiguous()
