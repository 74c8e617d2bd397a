"""`fla.ops`: recurrences by fla's names and arguments, computed by `move37.arena.kernels`.

Layout (B, T, H, K) for q and k, (B, T, H, V) for v; with `head_first=True` (older fla) (B, H, T,
K). Each returns (o, final state or None). `scale=None` means K ** -0.5. `cu_seqlens` marks
sequences packed into one row. Chunk, fused and recurrent forms are the same computation here.

B batch, T time, H heads, K key dim per head, V value dim per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena import kernels
from move37.arena.fla.packing import by_sequence

__all__ = [
    "chunk_delta_rule",
    "chunk_dplr_delta_rule",
    "chunk_gated_delta_rule",
    "chunk_gla",
    "chunk_hgrn",
    "chunk_kda",
    "chunk_linear_attn",
    "chunk_retention",
    "chunk_rwkv7",
    "chunk_simple_gla",
    "fused_chunk_delta_rule",
    "fused_chunk_gla",
    "fused_chunk_linear_attn",
    "fused_chunk_retention",
    "fused_mul_recurrent_rwkv7",
    "fused_recurrent_delta_rule",
    "fused_recurrent_dplr_delta_rule",
    "fused_recurrent_gated_delta_rule",
    "fused_recurrent_gla",
    "fused_recurrent_hgrn",
    "fused_recurrent_kda",
    "fused_recurrent_linear_attn",
    "fused_recurrent_retention",
    "fused_recurrent_rwkv7",
    "fused_recurrent_simple_gla",
    "parallel_retention",
]


def chunk_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    scale: float | None = None,
    use_qk_l2norm_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Delta rule; beta is (B, T, H)."""
    if use_qk_l2norm_in_kernel:
        q, k = kernels.l2_norm(q), kernels.l2_norm(k)

    def run(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, state: Tensor | None) -> Any:
        return kernels.delta_rule(q, k, v, beta, state_BHKV=state, scale=_scale(scale, q))

    return _run(run, (q, k, v, beta), options)


def chunk_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    beta: Tensor | None = None,
    scale: float | None = None,
    use_qk_l2norm_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    use_gate_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    use_beta_sigmoid_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    allow_neg_eigval: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    A_log: Tensor | None = None,
    dt_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Gated delta rule; g is the log decay (B, T, H), or its raw form with `use_gate_in_kernel`."""
    if use_qk_l2norm_in_kernel:
        q, k = kernels.l2_norm(q), kernels.l2_norm(k)
    beta = torch.ones_like(v[..., 0]) if beta is None else beta
    g = torch.zeros_like(beta) if g is None else g
    if use_gate_in_kernel:
        g = _mamba_gate(g, A_log, dt_bias)
    if use_beta_sigmoid_in_kernel:
        beta = beta.sigmoid() * (2.0 if allow_neg_eigval else 1.0)
    q, k = _grouped(q, v, options), _grouped(k, v, options)

    def run(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor, state: Tensor | None) -> Any:
        return kernels.gated_delta_rule(q, k, v, beta, g, state_BHKV=state, scale=_scale(scale, q))

    return _run(run, (q, k, v, beta, g), options)


def chunk_kda(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    scale: float | None = None,
    use_qk_l2norm_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    use_gate_in_kernel: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    A_log: Tensor | None = None,
    dt_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Kimi Delta Attention: the gated delta rule with a log decay per channel, g (B, T, H, K)."""
    if use_qk_l2norm_in_kernel:
        q, k = kernels.l2_norm(q), kernels.l2_norm(k)
    if use_gate_in_kernel:
        if A_log is None:
            raise ValueError("use_gate_in_kernel needs A_log")
        shift = 0.0 if dt_bias is None else dt_bias.view(g.shape[-2:])
        g = -A_log.exp().view(-1, 1) * F.softplus(g + shift)

    def run(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor | None) -> Any:
        weighted = beta.unsqueeze(-1)
        return kernels.dplr_delta_rule(
            q, k, weighted * v, -weighted * k, g.exp() * k, g,
            state_BHKV=state, scale=_scale(scale, q),
        )  # fmt: skip

    return _run(run, (q, k, v, g, beta), options)


def chunk_dplr_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    gk: Tensor,
    scale: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """S_t = diag(exp(gk)) S + b (aᵀ S) + k vᵀ: in fla, a reads and b writes."""

    def run(
        q: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, gk: Tensor, state: Tensor | None
    ) -> Any:
        return kernels.dplr_delta_rule(q, k, v, b, a, gk, state_BHKV=state, scale=_scale(scale, q))

    return _run(run, (q, k, v, a, b, gk), options)


def chunk_rwkv7(
    r: Tensor,
    w: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    scale: float = 1.0,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """RWKV-7's recurrence; w is the log decay."""
    return chunk_dplr_delta_rule(r, k, v, a, b, w, scale=scale, **options)


def chunk_gla(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    scale: float | None = None,
    gk: Tensor | None = None,
    gv: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Gated linear attention; g (or gk) is the log decay per channel (B, T, H, K)."""
    if gv is not None:
        raise NotImplementedError("decay along the value axis (gv) is not available here")
    return _linear(q, k, v, gk if g is None else g, scale, options)


def chunk_simple_gla(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor | None = None,
    g_gamma: Tensor | None = None,
    scale: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Linear attention with a log decay per head: g (B, T, H), or g_gamma (H,) the same always."""
    if g is None and g_gamma is not None:
        g = g_gamma.to(q.dtype).expand(*v.shape[:2], -1)
    return _linear(q, k, v, g, scale, options)


def chunk_retention(
    q: Tensor, k: Tensor, v: Tensor, scale: float | None = None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """Retention: decay 1 - 2^(-5-h) of head h (Sun et al. 2023, arXiv 2307.08621)."""
    n_heads = q.shape[1] if options.get("head_first") else q.shape[2]
    decay_H = [math.log1p(-(2.0 ** (-5 - h))) for h in range(n_heads)]
    g_gamma = torch.tensor(decay_H, dtype=q.dtype, device=q.device)
    if options.pop("head_first", False):
        o, state = chunk_simple_gla(
            *(x.transpose(1, 2) for x in (q, k, v)), g_gamma=g_gamma, scale=scale, **options
        )
        return o.transpose(1, 2), state
    return chunk_simple_gla(q, k, v, g_gamma=g_gamma, scale=scale, **options)


def chunk_linear_attn(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    normalize: bool = True,  # noqa: FBT001, FBT002 - fla's signature
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Linear attention; `normalize` divides by q's product with the sum of all keys so far.

    The sum is not part of the state (nor is it in fla): streaming needs normalize=False.
    """
    options |= {"initial_state": initial_state, "output_final_state": output_final_state}
    o, state = _linear(q, k, v, None, scale, options)
    if normalize:
        axis = 2 if options.get("head_first") else 1
        total = (q * _scale(scale, q) * k.cumsum(axis)).sum(-1, keepdim=True)
        o = o / (total + 1e-10)
    return o, state


def chunk_hgrn(
    x: Tensor,
    g: Tensor,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    cu_seqlens: Tensor | None = None,
    **_options: Any,
) -> tuple[Tensor, Tensor | None]:
    """h_t = exp(g_t)·h_{t-1} + x_t on (B, T, D)."""

    def run(x: Tensor, g: Tensor, state: Tensor | None) -> Any:
        return kernels.associative_scan(x, g, state_BD=state)

    o, state = by_sequence(run, (x, g), initial_state, cu_seqlens)
    return o, state if output_final_state else None


def _linear(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor | None, scale: float | None, options: dict[str, Any]
) -> tuple[Tensor, Tensor | None]:
    def run(q: Tensor, k: Tensor, v: Tensor, *rest: Tensor | None) -> Any:
        log_decay = rest[0] if len(rest) == 2 else None
        return kernels.linear_attention(
            q, k, v, log_decay=log_decay, state_BHKV=rest[-1], scale=_scale(scale, q)
        )

    return _run(run, (q, k, v) if g is None else (q, k, v, g), options)


def _run(
    run: Callable[..., Any], inputs: tuple[Tensor, ...], options: dict[str, Any]
) -> tuple[Tensor, Tensor | None]:
    """Bring fla's layouts to ours, run, and bring them back; accept whatever else fla accepts."""
    head_first = bool(options.get("head_first"))
    v_first = bool(options.get("state_v_first") or options.get("transpose_state_layout"))
    state = options.get("initial_state")
    if head_first:
        inputs = tuple(x.transpose(1, 2) for x in inputs)
    if v_first and state is not None:
        state = state.transpose(-1, -2)
    dtype = inputs[2].dtype
    inputs = tuple(x.to(dtype) for x in inputs)
    state = None if state is None else state.to(dtype)
    o, state = by_sequence(run, inputs, state, options.get("cu_seqlens"))
    if head_first:
        o = o.transpose(1, 2)
    if not options.get("output_final_state"):
        return o, None
    return o, state.transpose(-1, -2) if v_first else state


def _scale(scale: float | None, q: Tensor) -> float:
    return q.shape[-1] ** -0.5 if scale is None else float(scale)


def _grouped(x: Tensor, v: Tensor, options: dict[str, Any]) -> Tensor:
    """Repeat query and key heads where there are more value heads."""
    axis = 1 if options.get("head_first") else 2
    ratio = v.shape[axis] // x.shape[axis]
    return x if ratio == 1 else x.repeat_interleave(ratio, dim=axis)


def _mamba_gate(raw: Tensor, A_log: Tensor | None, dt_bias: Tensor | None) -> Tensor:
    if A_log is None:
        raise ValueError("use_gate_in_kernel needs A_log")
    return -A_log.exp() * F.softplus(raw if dt_bias is None else raw + dt_bias)


fused_chunk_delta_rule = fused_recurrent_delta_rule = chunk_delta_rule
fused_recurrent_gated_delta_rule = chunk_gated_delta_rule
fused_recurrent_kda = chunk_kda
fused_recurrent_dplr_delta_rule = chunk_dplr_delta_rule
fused_recurrent_rwkv7 = fused_mul_recurrent_rwkv7 = chunk_rwkv7
fused_chunk_gla = fused_recurrent_gla = chunk_gla
fused_recurrent_simple_gla = chunk_simple_gla
fused_chunk_retention = fused_recurrent_retention = parallel_retention = chunk_retention
fused_chunk_linear_attn = fused_recurrent_linear_attn = chunk_linear_attn
fused_recurrent_hgrn = chunk_hgrn
