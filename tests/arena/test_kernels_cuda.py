"""fla's kernels against the torch form, on a GPU; on a CPU, that fla is out of reach."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from move37.arena import kernels
from move37.arena.kernels.dispatch import fla_dtype

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    pytest.mark.skipif(not kernels.has_fla(), reason="flash-linear-attention is not installed"),
]


def test_a_call_on_the_cpu_never_uses_fla():
    long_and_half = torch.zeros(1, 128, 2, 64, dtype=torch.bfloat16)
    assert fla_dtype(long_and_half, long_and_half) is None


def draw() -> dict[str, Tensor]:
    torch.manual_seed(0)
    time = (2, 193, 3)
    named = {
        "q": torch.randn(*time, 32),
        "k": kernels.l2_norm(torch.randn(*time, 32)),
        "v": torch.randn(*time, 64),
        "a": -0.9 * kernels.l2_norm(torch.randn(*time, 32)),
        "beta": torch.rand(*time),
        "head": -torch.rand(*time),
        "channel": -torch.rand(*time, 32),
        "state": torch.randn(2, 3, 32, 64),
    }
    return {
        name: x.cuda().to(torch.float32 if name == "state" else torch.bfloat16).requires_grad_(True)
        for name, x in named.items()
    }


CALLS = {
    "linear_attention": lambda q, k, v, state, **_: kernels.linear_attention(
        q, k, v, state_BHKV=state, scale=0.5
    ),
    "linear_attention, head": lambda q, k, v, head, state, **_: kernels.linear_attention(
        q, k, v, log_decay=head, state_BHKV=state
    ),
    "linear_attention, channel": lambda q, k, v, channel, state, **_: kernels.linear_attention(
        q, k, v, log_decay=channel, state_BHKV=state
    ),
    "delta_rule": lambda q, k, v, beta, state, **_: kernels.delta_rule(
        q, k, v, beta, state_BHKV=state
    ),
    "gated_delta_rule, head": lambda q, k, v, beta, head, state, **_: kernels.gated_delta_rule(
        q, k, v, beta, head, state_BHKV=state
    ),
    "gated_delta_rule, channel": lambda q, k, v, beta, channel, state, **_: (
        kernels.gated_delta_rule(q, k, v, beta, channel, state_BHKV=state)
    ),
    "dplr_delta_rule": lambda q, k, v, a, channel, state, **_: kernels.dplr_delta_rule(
        q, k, v, a, -a, channel, state_BHKV=state
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=on_gpu) for name in CALLS])
def test_fla_equals_the_torch_form_within_half_precision(name):
    leaves = draw()
    with kernels.using_fla():
        fused = CALLS[name](**leaves)
    fused_gradients = torch.autograd.grad(
        fused[0].float().sum() + fused[1].sum(), list(leaves.values()), allow_unused=True
    )
    plain = CALLS[name](**leaves)
    plain_gradients = torch.autograd.grad(
        plain[0].float().sum() + plain[1].sum(), list(leaves.values()), allow_unused=True
    )
    for a, b in zip((*fused, *fused_gradients), (*plain, *plain_gradients), strict=True):
        if b is not None:
            assert a is not None
            error = (a.float() - b.float()).norm() / b.float().norm()
            assert error < 0.02, f"relative error {error:.3f}"
