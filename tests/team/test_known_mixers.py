"""Rendered known mixers equal their published recurrences, written as plain loops over parameters.

Each loop reads the layer's weights and walks position by position; nothing of the kernels is used.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from rendered_mixers import D_MODEL, N_HEADS, build, inputs
from torch import Tensor

from move37.core.errors import UnknownName
from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.library import library_description, library_names

T = 11
K = D_MODEL // N_HEADS


def convolved(x_TD: Tensor, weight_DW: Tensor) -> Tensor:
    width = weight_DW.shape[1]
    padded = torch.cat([x_TD.new_zeros(width - 1, x_TD.shape[1]), x_TD])
    rows = [(padded[t : t + width].T * weight_DW).sum(-1) for t in range(len(x_TD))]
    return F.silu(torch.stack(rows))


def projected(mixer: Any, x_TD: Tensor) -> list[Tensor]:
    """Return q, k, v as (T, H, ...) after the convolution, if there is one."""
    qkv = mixer.qkv(x_TD)
    if hasattr(mixer, "conv_qkv"):
        qkv = convolved(qkv, mixer.conv_qkv)
    return [part.reshape(T, N_HEADS, -1) for part in qkv.split(mixer.widths, dim=-1)]


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def rms(x: Tensor) -> Tensor:
    return x / (x.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()


def swish_gated(mixer: Any, x_TD: Tensor, o_THV: Tensor) -> Tensor:
    gate = mixer.gate_x(x_TD).reshape(o_THV.shape) + mixer.gate_bias
    return rms(o_THV) * mixer.norm_weight * F.silu(gate)


def walk(step, n_values: int = K) -> Tensor:
    """Return o (T, H, V) of a loop; `step(S, t, h)` returns the next state and what is read."""
    rows = []
    states = [torch.zeros(K, n_values, dtype=torch.float64) for _ in range(N_HEADS)]
    for t in range(T):
        row = []
        for h in range(N_HEADS):
            states[h], o = step(states[h], t, h)
            row.append(o)
        rows.append(torch.stack(row))
    return torch.stack(rows)


def linear_attention(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    q, k = F.elu(q) + 1, F.elu(k) + 1
    rows = []
    for t in range(T):
        scores = torch.einsum("hk,shk->sh", q[t], k[: t + 1])
        total = scores.sum(0)[:, None] + 0.1
        rows.append(torch.einsum("sh,shv->hv", scores, v[: t + 1]) / total)
    return torch.stack(rows)


def retnet(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    angle = torch.arange(T)[:, None, None] * 10_000 ** -(torch.arange(K // 2) / (K // 2))

    def turned(x):
        pairs = torch.complex(x[..., : K // 2], x[..., K // 2 :])
        pairs = pairs * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    q, k = turned(q), turned(k)
    keep = [1 - 2.0 ** -(5 + h) for h in range(N_HEADS)]

    def step(s, t, h):
        s = keep[h] * s + torch.outer(k[t, h], v[t, h])
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, walk(step))


def gla(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    logit = mixer.decay_x(x_TD).reshape(T, N_HEADS, K) + mixer.decay_bias
    keep = torch.sigmoid(logit) ** (1 / 16)

    def step(s, t, h):
        s = keep[t, h][:, None] * s + torch.outer(k[t, h], v[t, h])
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, walk(step))


def step_sizes(mixer, x_TD, *shape):
    return F.softplus(mixer.decay_x(x_TD).reshape(T, *shape) + mixer.decay_bias)


def mamba2(mixer, x_TD):
    qkv = convolved(mixer.qkv(x_TD), mixer.conv_qkv)
    q, k, v = qkv.split(mixer.widths, dim=-1)
    v = v.reshape(T, N_HEADS, 2 * K)
    dt = step_sizes(mixer, x_TD, N_HEADS)
    keep = torch.exp(-mixer.rate_log.exp() * dt)

    def step(s, t, h):
        s = keep[t, h] * s + dt[t, h] * torch.outer(k[t], v[t, h])
        return s, s.T @ q[t]

    return swish_gated(mixer, x_TD, rms(walk(step, 2 * K)) + v)


def deltanet(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    q, k = unit(q), unit(k)
    beta = torch.sigmoid(mixer.erase_x(x_TD) + mixer.erase_bias)

    def step(s, t, h):
        error = v[t, h] - s.T @ k[t, h]
        s = s + beta[t, h] * torch.outer(k[t, h], error)
        return s, s.T @ q[t, h]

    return rms(walk(step)) * mixer.norm_weight


def gated_deltanet(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    q, k = unit(q), unit(k)
    beta = torch.sigmoid(mixer.erase_x(x_TD) + mixer.erase_bias)
    keep = torch.exp(-mixer.rate_log.exp() * step_sizes(mixer, x_TD, N_HEADS))

    def step(s, t, h):
        s = keep[t, h] * s
        s = s + beta[t, h] * torch.outer(k[t, h], v[t, h] - s.T @ k[t, h])
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, walk(step))


def gated_deltanet2(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    q, k = unit(q), unit(k)
    keep = torch.exp(-mixer.rate_log.exp() * step_sizes(mixer, x_TD, N_HEADS, K))
    erase = torch.sigmoid(mixer.erase_x(x_TD).reshape(T, N_HEADS, K) + mixer.erase_bias)
    write = torch.sigmoid(mixer.write_x(x_TD).reshape(T, N_HEADS, K) + mixer.write_bias)

    def step(s, t, h):
        s = keep[t, h][:, None] * s
        s = s - torch.outer(k[t, h], s.T @ (erase[t, h] * k[t, h]))
        s = s + torch.outer(k[t, h], write[t, h] * v[t, h])
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, walk(step))


def kimi_delta_attention(mixer, x_TD):
    q, k, v = projected(mixer, x_TD)
    q, k = unit(q), unit(k)
    keep = torch.exp(-mixer.rate_log.exp() * step_sizes(mixer, x_TD, N_HEADS, K))
    beta = torch.sigmoid(mixer.erase_x(x_TD) + mixer.erase_bias)

    def step(s, t, h):
        s = keep[t, h][:, None] * s
        s = s + beta[t, h] * torch.outer(k[t, h], v[t, h] - s.T @ k[t, h])
        return s, s.T @ q[t, h]

    gate = mixer.gate_x(x_TD).reshape(T, N_HEADS, K) + mixer.gate_bias
    return rms(walk(step)) * mixer.norm_weight * torch.sigmoid(gate)


def delta_product(mixer, x_TD):
    qkv = convolved(mixer.qkv(x_TD), mixer.conv_qkv)
    q, k, v = qkv.split(mixer.widths, dim=-1)
    q = unit(q.reshape(T, N_HEADS, K))
    k, v = unit(k.reshape(T, 2, N_HEADS, K)), v.reshape(T, 2, N_HEADS, K)
    logit = mixer.erase_x(x_TD).reshape(T, 2, N_HEADS) + mixer.erase_bias
    beta = 2 * torch.sigmoid(logit)
    keep = torch.exp(-mixer.rate_log.exp() * step_sizes(mixer, x_TD, N_HEADS))

    def step(s, t, h):
        s = keep[t, h] * s
        for n in range(2):
            error = v[t, n, h] - s.T @ k[t, n, h]
            s = s + beta[t, n, h] * torch.outer(k[t, n, h], error)
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, walk(step))


def hgrn2(mixer, x_TD):
    q, v = (p.reshape(T, N_HEADS, K) for p in mixer.qv(x_TD).split(mixer.widths, dim=-1))
    floor = torch.sigmoid(mixer.decay_floor)
    gate = torch.sigmoid(mixer.decay_x(x_TD).reshape(T, N_HEADS, K) + mixer.decay_bias)
    keep = floor + (1 - floor) * gate

    def step(s, t, h):
        s = keep[t, h][:, None] * s + torch.outer(1 - keep[t, h], v[t, h])
        return s, s.T @ F.silu(q[t, h])

    return rms(walk(step)) * mixer.norm_weight


def rwkv7(mixer, x_TD):
    before = torch.cat([torch.zeros(1, D_MODEL, dtype=torch.float64), x_TD[:-1]])
    x_TD = x_TD + mixer.shift_share * (before - x_TD)
    q, k, v = projected(mixer, x_TD)
    q, k = unit(q), unit(k)
    logit = mixer.decay_x(x_TD).reshape(T, N_HEADS, K) + mixer.decay_bias
    keep = torch.exp(-0.606531 * torch.sigmoid(logit))
    a = torch.sigmoid(mixer.erase_x(x_TD).reshape(T, N_HEADS, K) + mixer.erase_bias)

    def step(s, t, h):
        erased = torch.outer(k[t, h], s.T @ (a[t, h] * k[t, h]))
        s = keep[t, h][:, None] * s - erased + torch.outer(a[t, h] * k[t, h], v[t, h])
        own = (q[t, h] * mixer.bonus[h] * k[t, h]).sum() * v[t, h]
        return s, s.T @ q[t, h] + own

    gate = mixer.gate_x(x_TD).reshape(T, N_HEADS, K) + mixer.gate_bias
    return rms(walk(step)) * mixer.norm_weight * torch.sigmoid(gate)


def mamba3(mixer, x_TD):
    q, k, v = mixer.qkv(x_TD).split(mixer.widths, dim=-1)
    v = v.reshape(T, N_HEADS, 2 * K)
    turns = 10_000 ** -(torch.arange(K // 2) / (K // 2))
    angle = (turns * mixer.turn(x_TD).reshape(T, N_HEADS, K // 2)).cumsum(0)

    def turned(x, bias):
        x = rms(x)[:, None] + bias
        pairs = torch.complex(x[..., : K // 2], x[..., K // 2 :])
        pairs = pairs * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    q, k = turned(q, mixer.q_bias), turned(k, mixer.k_bias)
    dt = step_sizes(mixer, x_TD, N_HEADS)
    keep = torch.exp(-mixer.rate_log.exp() * dt)
    now = torch.sigmoid(mixer.tap(x_TD))

    def step(s, t, h):
        s = keep[t, h] * s + now[t, h] * dt[t, h] * torch.outer(k[t, h], v[t, h])
        if t > 0:
            strength = (1 - now[t, h]) * dt[t, h] * keep[t, h]
            s = s + strength * torch.outer(k[t - 1, h], v[t - 1, h])
        return s, s.T @ q[t, h]

    return swish_gated(mixer, x_TD, rms(walk(step, 2 * K)) + v)


LOOPS = [
    linear_attention,
    retnet,
    gla,
    mamba2,
    deltanet,
    gated_deltanet,
    gated_deltanet2,
    kimi_delta_attention,
    delta_product,
    hgrn2,
    rwkv7,
    mamba3,
]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_a_known_mixer_equals_its_recurrence(loop):
    mixer = build(library_description(loop.__name__), seed=3)
    x_1TD = inputs(1, T, seed=5)
    with torch.no_grad():
        expected = mixer.output(loop(mixer, x_1TD[0]).flatten(1))
        found, _ = mixer(x_1TD)
    # fixed angles are kept in single precision: 1e-6 of a turn at these positions
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


def test_every_known_linear_mixer_has_a_description_in_canonical_form():
    assert {loop.__name__ for loop in LOOPS} | {"short_conv"} == set(library_names())
    for name in library_names():
        assert canonical(library_description(name)) == library_description(name)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'gated_deltanet'"):
        library_description("gated_deltanett")


def test_decays_start_where_papers_start_them():
    mixer = build(library_description("gated_deltanet"), jitter=0.0)
    steps = F.softplus(mixer.decay_bias)
    assert (steps >= 1e-3 - 1e-6).all()
    assert (steps <= 0.1 + 1e-6).all()
    assert (mixer.rate_log >= 0).all()
    assert (mixer.rate_log <= math.log(16)).all()
