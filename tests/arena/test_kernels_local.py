"""Short convolution, associative scan and norms against their plain forms.

L1. Values and gradients equal the reference, at odd lengths, with a state going in and out.
L2. Pieces with the state carried equal one call.
L3. What does not fit is refused with both shapes.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from move37.arena import kernels
from move37.arena.kernels import reference
from move37.core.errors import ShapeError

LENGTHS = (1, 2, 5, 31, 33, 63, 97, 1100)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values_and_gradients(call, leaves: list[Tensor]) -> list[Tensor]:
    leaves = [x.clone().requires_grad_(True) for x in leaves]
    outputs = call(*leaves)
    weights = [normal(*x.shape, seed=9) for x in outputs]
    return [*outputs, *torch.autograd.grad(outputs, leaves, weights)]


def assert_all_close(actual: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_time", LENGTHS[:-1])
@pytest.mark.parametrize("width", [1, 2, 4, 16])
@pytest.mark.parametrize("activation", [None, "silu"])
def test_short_convolution_equals_the_reference(n_time, width, activation):
    """L1."""
    leaves = [
        normal(2, n_time, 6),
        normal(6, width, seed=1),
        normal(6, seed=2),
        normal(2, 6, width - 1, seed=3),
    ]

    def run(module):
        return lambda x, w, b, state: module.short_convolution(
            x, w, b, state_BDW=state, activation=activation
        )

    assert_all_close(
        values_and_gradients(run(kernels), leaves), values_and_gradients(run(reference), leaves)
    )


def test_short_convolution_equals_a_grouped_conv1d():
    """L1: an implementation that is not ours."""
    x_BTD, weight_DW, bias_D = normal(2, 21, 6), normal(6, 4, seed=1), normal(6, seed=2)
    padded = F.pad(x_BTD.mT, (3, 0))
    expected = F.conv1d(padded, weight_DW[:, None], bias_D, groups=6).mT
    y_BTD, state = kernels.short_convolution(x_BTD, weight_DW, bias_D)
    torch.testing.assert_close(y_BTD, expected)
    torch.testing.assert_close(state, x_BTD[:, -3:].mT)


@settings(deadline=None, max_examples=25)
@given(pieces=st.lists(st.integers(1, 9), min_size=1, max_size=6), width=st.integers(1, 6))
def test_short_convolution_in_pieces_is_the_same(pieces, width):
    """L2."""
    x_BTD, weight_DW = normal(2, sum(pieces), 3), normal(3, width, seed=1)
    whole, last = kernels.short_convolution(x_BTD, weight_DW)
    state, outputs = torch.zeros(2, 3, width - 1, dtype=torch.float64), []
    for part in x_BTD.split(pieces, dim=1):
        y, state = kernels.short_convolution(part, weight_DW, state_BDW=state)
        outputs.append(y)
    assert_all_close([torch.cat(outputs, 1), state], [whole, last])


@pytest.mark.parametrize("n_time", LENGTHS)
@pytest.mark.parametrize("trailing", [(), (5,), (3, 2)], ids=str)
def test_associative_scan_equals_the_reference(n_time, trailing):
    """L1: with every kind of decay mixed in."""
    log_decay = -normal(2, n_time, *trailing, seed=1).exp()
    pick = normal(2, n_time, *trailing, seed=2)
    log_decay[pick > 1] = 0.0
    log_decay[pick < -1] = -50.0
    log_decay[pick < -1.5] = -float("inf")
    leaves = [normal(2, n_time, *trailing), log_decay, normal(2, *trailing, seed=3)]

    def run(module):
        return lambda x, g, state: module.associative_scan(x, g, state_BD=state)

    fast = values_and_gradients(run(kernels), leaves)
    assert all(torch.isfinite(x).all() for x in fast)
    assert_all_close(fast, values_and_gradients(run(reference), leaves))


@settings(deadline=None, max_examples=25)
@given(pieces=st.lists(st.integers(1, 70), min_size=1, max_size=5))
def test_associative_scan_in_pieces_is_the_same(pieces):
    """L2."""
    n_time = sum(pieces)
    x_BTD, log_decay_BTD = normal(2, n_time, 3), -normal(2, n_time, 3, seed=1).exp()
    whole, last = kernels.associative_scan(x_BTD, log_decay_BTD)
    state, outputs = torch.zeros(2, 3, dtype=torch.float64), []
    for x, g in zip(x_BTD.split(pieces, 1), log_decay_BTD.split(pieces, 1), strict=True):
        h, state = kernels.associative_scan(x, g, state_BD=state)
        outputs.append(h)
    assert_all_close([torch.cat(outputs, 1), state], [whole, last])


def test_rms_norm_equals_its_formula_and_gated_rms_norm_its_product():
    """L1."""
    x, gate, weight = normal(2, 3, 8), normal(2, 3, 8, seed=1), normal(8, seed=2)

    def formula(x, gate, weight):
        y = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight
        return y, y * F.silu(gate)

    def ours(x, gate, weight):
        return kernels.rms_norm(x, weight, eps=1e-5), kernels.gated_rms_norm(
            x, gate, weight, eps=1e-5
        )

    leaves = [x, gate, weight]
    assert_all_close(values_and_gradients(ours, leaves), values_and_gradients(formula, leaves))


def test_l2_norm_gives_unit_length_and_leaves_zero_at_zero_with_a_finite_gradient():
    """L1."""
    x = normal(4, 8)
    torch.testing.assert_close(
        kernels.l2_norm(x), x / x.norm(dim=-1, keepdim=True), rtol=1e-6, atol=0
    )
    zero = torch.zeros(1, 8, requires_grad=True)
    y = kernels.l2_norm(zero)
    y.sum().backward()
    assert zero.grad is not None
    assert not y.any()
    assert torch.isfinite(zero.grad).all()


@pytest.mark.parametrize("norm", [kernels.rms_norm, kernels.l2_norm])
def test_norms_of_half_precision_are_computed_wide(norm):
    """L1: the sum of squares alone would overflow float16."""
    x = torch.full((1, 64), 200.0, dtype=torch.float16)
    y = norm(x)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y, norm(x.double()).half())


def test_a_step_bias_gives_steps_that_are_log_uniform_between_its_ends():
    torch.manual_seed(3)
    logs = F.softplus(kernels.step_bias(4_000, 1e-2, 1.0).double()).log() / torch.tensor(1e-2).log()
    assert -1e-3 < logs.min() < 0.01
    assert 0.99 < logs.max() < 1.001
    assert abs(logs.mean() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.short_convolution(normal(2, 5, 6), normal(5, 4)), r"\(6, 4\).*\(5, 4\)"),
        (
            lambda: kernels.short_convolution(
                normal(2, 5, 6), normal(6, 4), state_BDW=normal(2, 6, 4)
            ),
            r"\(2, 6, 3\).*\(2, 6, 4\)",
        ),
        (
            lambda: kernels.short_convolution(normal(2, 5, 6), normal(6, 4), normal(4)),
            r"\(6,\).*\(4,\)",
        ),
        (
            lambda: kernels.short_convolution(normal(2, 5, 6), normal(6, 4), activation="gelu"),
            "'gelu'",
        ),
        (lambda: kernels.associative_scan(normal(2, 5, 3), normal(2, 5)), r"\(2, 5, 3\).*\(2, 5\)"),
        (
            lambda: kernels.associative_scan(
                normal(2, 5, 3), normal(2, 5, 3), state_BD=normal(3, 3)
            ),
            r"\(2, 3\).*\(3, 3\)",
        ),
        (lambda: kernels.rms_norm(normal(2, 8), normal(4)), r"\(8,\).*\(4,\)"),
        (lambda: kernels.gated_rms_norm(normal(2, 8), normal(2, 4)), r"\(2, 4\).*\(2, 8\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_shape(call, message):
    """L3."""
    with pytest.raises(ShapeError, match=message):
        call()
