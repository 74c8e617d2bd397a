"""The kernels against the torch implementations in transformers: independent of ours.

They compute in float32, so tolerances are those of float32.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from move37.arena import kernels

mamba2 = pytest.importorskip("transformers.models.mamba2.modeling_mamba2")
qwen3_next = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")

N_BATCH, N_HEADS, KEY_DIM, VALUE_DIM = 2, 3, 8, 12


def draw(n_time: int) -> list[Tensor]:
    """Return q, k, v, beta, log decay and state."""
    torch.manual_seed(0)
    time = (N_BATCH, n_time, N_HEADS)
    return [
        kernels.l2_norm(torch.randn(*time, KEY_DIM)),
        kernels.l2_norm(torch.randn(*time, KEY_DIM)),
        torch.randn(*time, VALUE_DIM),
        torch.rand(*time),
        -torch.randn(*time).exp(),
        torch.randn(N_BATCH, N_HEADS, KEY_DIM, VALUE_DIM),
    ]


def assert_equal(ours, theirs, leaves: list[Tensor]) -> None:
    """Compare outputs, states and gradients of a random loss on both."""
    results = []
    for call in (ours, theirs):
        fresh = [x.clone().requires_grad_(True) for x in leaves]
        outputs = call(*fresh)
        torch.manual_seed(1)
        weights = [torch.randn(x.shape) for x in outputs]
        results.append([*outputs, *torch.autograd.grad(outputs, fresh, weights)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("n_time", [1, 33, 97])
def test_gated_delta_rule_equals_the_chunk_form_of_qwen3_next(n_time):
    def ours(q, k, v, beta, g, state):
        return kernels.gated_delta_rule(q, k, v, beta, g, state_BHKV=state, scale=KEY_DIM**-0.5)

    def theirs(q, k, v, beta, g, state):
        return qwen3_next.torch_chunk_gated_delta_rule(
            q, k, v, g, beta, initial_state=state, output_final_state=True
        )

    assert_equal(ours, theirs, draw(n_time))


def test_gated_delta_rule_equals_the_recurrence_of_qwen3_next():
    q, k, v, beta, g, state = draw(37)
    ours = kernels.gated_delta_rule(q, k, v, beta, g, state_BHKV=state, scale=KEY_DIM**-0.5)
    theirs = qwen3_next.torch_recurrent_gated_delta_rule(
        q, k, v, g, beta, initial_state=state, output_final_state=True
    )
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("n_time", [1, 33, 97])
def test_state_space_dual_equals_the_chunk_scan_of_mamba2(n_time):
    """Their state is (B, H, P, N), ours (B, H, N, P)."""
    C, B, x, dt, _, state = draw(n_time)
    A = -torch.linspace(0.5, 4, N_HEADS)

    def ours(x, dt, A, B, C, state):
        return kernels.state_space_dual(x, dt, A, B, C, state=state)

    def theirs(x, dt, A, B, C, state):
        y, last = mamba2.mamba2_chunk_scan(
            x, dt, A, B, C, chunk_size=16, initial_states=state.mT, return_final_states=True
        )
        return y, last.mT

    assert_equal(ours, theirs, [x, dt, A, B, C, state])
