"""The chunk-parallel memories against their plain loops.

K1. Values and gradients equal the reference, at lengths around and far from the chunk size, with a
    state going in and a loss on the state coming out.
K2. A sequence in pieces, state carried, equals the sequence in one call, for any pieces.
K3. Any log decay in [-inf, 0] gives finite values and gradients, equal to the reference.
K4. What does not fit is refused with a message that names both shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from move37.arena import kernels
from move37.arena.kernels import reference
from move37.core.errors import ShapeError

N_BATCH, N_HEADS, KEY_DIM, VALUE_DIM = 2, 3, 4, 6
LENGTHS = (1, 2, 5, 31, 33, 63, 97)

Inputs = dict[str, Any]  # Tensors, and None for dplr's absent decay
Kernel = Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Case:
    """A kernel and the shape of its decay: none, fixed (per head), head or channel."""

    kernel: str
    decay: str

    def fast(self) -> Kernel:
        return getattr(kernels, self.kernel)

    def plain(self) -> Kernel:
        return getattr(reference, self.kernel)

    def inputs(self, n_time: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Inputs:
        """Draw arguments by name; keys are unit vectors, low-rank parts do not expand the state."""
        draw = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=draw, dtype=torch.float64)

        time = (N_BATCH, n_time, N_HEADS)
        state = normal(N_BATCH, N_HEADS, KEY_DIM, VALUE_DIM)
        if self.kernel == "state_space_dual":
            named = {
                "x_BTHP": normal(*time, VALUE_DIM),
                "dt_BTH": normal(*time).exp(),
                "A_H": -normal(N_HEADS).exp(),
                "B_BTHN": normal(*time, KEY_DIM),
                "C_BTHN": normal(*time, KEY_DIM),
                "state": state,
            }
            return {name: x.to(dtype) for name, x in named.items()}
        unit = kernels.l2_norm(normal(*time, KEY_DIM))
        named = {
            "q_BTHK": normal(*time, KEY_DIM),
            "k_BTHK": kernels.l2_norm(normal(*time, KEY_DIM)),
            "v_BTHV": normal(*time, VALUE_DIM),
            "state_BHKV": state,
        }
        if self.kernel in ("delta_rule", "gated_delta_rule"):
            named["beta_BTH"] = 2 * torch.rand(*time, generator=draw, dtype=torch.float64)
        if self.kernel == "dplr_delta_rule":
            named |= {"a_BTHK": -0.9 * unit, "b_BTHK": unit + 0.1 * normal(*time, KEY_DIM)}
        shapes = {"fixed": time[2:], "head": time, "channel": (*time, KEY_DIM)}
        if self.decay in shapes:
            named["log_decay"] = -normal(*shapes[self.decay]).exp()
        cast: Inputs = {name: x.to(dtype) for name, x in named.items()}
        if self.kernel == "dplr_delta_rule" and self.decay == "none":
            cast["log_decay"] = None
        return cast

    def __str__(self) -> str:
        return f"{self.kernel}-{self.decay}"


CASES = [
    Case("linear_attention", "none"),
    Case("linear_attention", "fixed"),
    Case("linear_attention", "head"),
    Case("linear_attention", "channel"),
    Case("delta_rule", "none"),
    Case("gated_delta_rule", "head"),
    Case("gated_delta_rule", "channel"),
    Case("dplr_delta_rule", "none"),
    Case("dplr_delta_rule", "head"),
    Case("dplr_delta_rule", "channel"),
    Case("state_space_dual", "head"),
]
DECAYING = [case for case in CASES if case.decay in ("head", "channel") and "dual" not in str(case)]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def values_and_gradients(kernel: Kernel, inputs: Inputs, **options: float) -> list[Tensor]:
    """Return output, state, and the gradients of a fixed random loss on both."""
    leaves = {
        name: x if x is None else x.clone().requires_grad_(True) for name, x in inputs.items()
    }
    output, state = kernel(**leaves, **options)
    weigh = torch.Generator().manual_seed(1)
    loss = sum(
        (x * torch.randn(x.shape, generator=weigh, dtype=torch.float64).to(x.dtype)).sum()
        for x in (output, state)
    )
    assert isinstance(loss, Tensor)
    return [
        output,
        state,
        *torch.autograd.grad(loss, [x for x in leaves.values() if x is not None]),
    ]


def assert_all_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@each_case
@pytest.mark.parametrize("n_time", LENGTHS)
def test_values_and_gradients_equal_the_reference_at_odd_lengths(case, n_time):
    """K1."""
    inputs = case.inputs(n_time)
    options = {} if case.kernel == "state_space_dual" else {"scale": 0.7}
    fast = values_and_gradients(case.fast(), inputs, **options)
    assert_all_close(fast, values_and_gradients(case.plain(), inputs, **options), 1e-10)


@each_case
@pytest.mark.parametrize("chunk_size", [1, 2, 8, 64])
def test_every_chunk_size_gives_the_same(case, chunk_size):
    """K1."""
    inputs = case.inputs(41)
    fast = values_and_gradients(case.fast(), inputs, chunk_size=chunk_size)
    assert_all_close(fast, values_and_gradients(case.plain(), inputs), 1e-10)


@each_case
def test_without_a_state_the_memory_starts_empty(case):
    """K1."""
    inputs = case.inputs(37)
    name = next(name for name in inputs if name.startswith("state"))
    empty = inputs | {name: torch.zeros_like(inputs[name])}
    del inputs[name]
    output, state = case.fast()(**inputs)
    assert_all_close([output, state], list(case.plain()(**empty)), 1e-10)


@each_case
def test_single_precision_is_close_to_double(case):
    """K1: at width 32 over 97 positions."""
    inputs = case.inputs(97)
    exact = values_and_gradients(case.plain(), inputs)
    single = {name: x if x is None else x.float() for name, x in inputs.items()}
    fast = values_and_gradients(case.fast(), single)
    assert all(x.dtype == torch.float32 for x in fast)
    for a, b in zip(fast, exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=2e-4, atol=2e-4 * b.abs().max().item())


@each_case
def test_half_precision_gives_half_outputs_and_a_wide_state(case):
    """K1."""
    inputs = {n: x if x is None else x.bfloat16() for n, x in case.inputs(33).items()}
    wide = {name: x if x is None else x.double() for name, x in inputs.items()}
    output, state = case.fast()(**inputs)
    expected, _ = case.plain()(**wide)
    assert (output.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(output.double(), expected, rtol=2e-2, atol=4e-2)


@each_case
def test_autocast_does_not_reach_into_the_arithmetic(case):
    inputs = case.inputs(33, dtype=torch.float32)
    plain, _ = case.fast()(**inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast, _ = case.fast()(**inputs)
    torch.testing.assert_close(cast, plain, rtol=0, atol=0)


def in_pieces(case: Case, inputs: Inputs, pieces: list[int]) -> list[Tensor]:
    """Run call after call, each with the state of the one before."""
    state_name = "state" if "state" in inputs else "state_BHKV"
    state, outputs, start = inputs[state_name], [], 0
    for n_time in pieces:
        part = {
            name: x[:, start : start + n_time] if x is not None and x.ndim >= 3 else x
            for name, x in inputs.items()
        }
        output, state = case.fast()(**part | {state_name: state})
        outputs.append(output)
        start += n_time
    return [torch.cat(outputs, dim=1), state]


@settings(deadline=None, max_examples=40)
@given(
    case=st.sampled_from(CASES),
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_any_pieces_give_the_same_as_one_call(case, pieces, seed):
    """K2."""
    inputs = case.inputs(sum(pieces), seed)
    whole = list(case.fast()(**inputs))
    assert_all_close(in_pieces(case, inputs, pieces), whole, 1e-9)


@each_case
def test_a_token_at_a_time_gives_the_same_as_one_call(case):
    """K2."""
    inputs = case.inputs(35)
    assert_all_close(in_pieces(case, inputs, [1] * 35), list(case.fast()(**inputs)), 1e-9)


def with_extreme_decays(inputs: Inputs, choices: tuple[float, ...], seed: int) -> Inputs:
    draw = torch.Generator().manual_seed(seed)
    decay = inputs["log_decay"].clone()
    pick = torch.randint(0, len(choices) + 1, decay.shape, generator=draw)
    for i, value in enumerate(choices):
        decay[pick == i] = value
    return inputs | {"log_decay": decay}


@pytest.mark.parametrize("case", DECAYING, ids=str)
@pytest.mark.parametrize(
    "choices",
    [(-50.0,), (-float("inf"),), (0.0,), (-50.0, -float("inf"), 0.0), (-1e4, -1e-30)],
    ids=str,
)
def test_any_decay_is_exact_and_finite(case, choices):
    """K3."""
    inputs = with_extreme_decays(case.inputs(67), choices, seed=3)
    fast = values_and_gradients(case.fast(), inputs)
    assert all(torch.isfinite(x).all() for x in fast)
    assert_all_close(fast, values_and_gradients(case.plain(), inputs), 1e-10)


@pytest.mark.parametrize("case", DECAYING, ids=str)
@pytest.mark.parametrize("value", [-50.0, -float("inf"), 0.0], ids=str)
def test_a_constant_extreme_decay_is_finite_in_single_precision(case, value):
    """K3."""
    inputs = case.inputs(97, dtype=torch.float32)
    inputs["log_decay"] = torch.full_like(inputs["log_decay"], value)
    fast = values_and_gradients(case.fast(), inputs)
    assert all(torch.isfinite(x).all() for x in fast)
    assert_all_close(fast, values_and_gradients(case.plain(), inputs), 2e-3)


def test_what_follows_a_strong_decay_keeps_its_digits():
    """K3: float32 sums of log decays would have lost them."""
    case = Case("linear_attention", "head")
    inputs = case.inputs(32, dtype=torch.float32)
    inputs["log_decay"] = torch.full_like(inputs["log_decay"], -0.01)
    inputs["log_decay"][:, :8] = -3000.0
    exact = {name: x.double() for name, x in inputs.items()}
    fast, expected = case.fast()(**inputs)[0], case.plain()(**exact)[0]
    torch.testing.assert_close(fast.double(), expected, rtol=1e-5, atol=1e-5)


@each_case
def test_second_derivatives_are_refused_instead_of_wrong(case):
    inputs = case.inputs(9)
    read = inputs["C_BTHN" if "C_BTHN" in inputs else "q_BTHK"].requires_grad_(True)
    output, _ = case.fast()(**inputs)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.autograd.grad(output.square().sum(), read, create_graph=True)


@pytest.mark.parametrize(
    ("case", "argument", "shape"),
    [
        (Case("linear_attention", "head"), "q_BTHK", (2, 5, 12)),
        (Case("linear_attention", "head"), "k_BTHK", (2, 5, 3, 5)),
        (Case("linear_attention", "head"), "v_BTHV", (2, 4, 3, 6)),
        (Case("linear_attention", "head"), "log_decay", (2, 5, 4)),
        (Case("linear_attention", "head"), "log_decay", (2, 5)),
        (Case("linear_attention", "head"), "state_BHKV", (2, 3, 6, 4)),
        (Case("delta_rule", "none"), "beta_BTH", (2, 5, 3, 1)),
        (Case("gated_delta_rule", "head"), "log_decay", (3,)),
        (Case("dplr_delta_rule", "head"), "a_BTHK", (2, 5, 3, 3)),
        (Case("dplr_delta_rule", "head"), "b_BTHK", (2, 5, 1, 4)),
        (Case("state_space_dual", "head"), "dt_BTH", (2, 5, 1)),
        (Case("state_space_dual", "head"), "A_H", (2,)),
        (Case("state_space_dual", "head"), "B_BTHN", (2, 5, 1, 4)),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name_and_shape(case, argument, shape):
    """K4."""
    inputs = case.inputs(5) | {argument: torch.zeros(shape, dtype=torch.float64)}
    with pytest.raises(ShapeError) as refusal:
        case.fast()(**inputs)
    message = str(refusal.value)
    assert str(shape) in message
    assert message.count("(") >= (1 if argument == "q_BTHK" else 2)


@pytest.mark.parametrize("chunk_size", [0, 3, 48])
def test_a_chunk_size_that_cannot_be_halved_is_refused(chunk_size):
    """K4."""
    with pytest.raises(ShapeError, match=f"power of two, got {chunk_size}"):
        kernels.linear_attention(
            **Case("linear_attention", "none").inputs(5), chunk_size=chunk_size
        )
