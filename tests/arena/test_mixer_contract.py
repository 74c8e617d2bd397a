"""The conformance suite fails layers that break a promise, and says where."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from move37.testing.mixer_contract import MixerContract, leaves


class TestTheSuiteItself:
    """The conformance suite must fail layers that break a promise."""

    class _Suite(MixerContract):
        layer_indices = (0,)

        def __init__(self, mixer: Callable[[int], nn.Module]) -> None:
            self.mixer = mixer

        def make(self, d_model, n_heads, layer_index):
            torch.manual_seed(0)
            return self.mixer(d_model)

    def test_a_layer_that_looks_ahead_fails_causality_with_the_position(self):
        class LooksAhead(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)

            def forward(self, x_BTD, state=None):
                return self.out(x_BTD + 1e-6 * x_BTD.mean(dim=1, keepdim=True)), state

        suite = self._Suite(LooksAhead)
        with pytest.raises(AssertionError, match=r"moved before it: differs by .* position 0"):
            suite.test_no_position_sees_a_later_one()
        with pytest.raises(AssertionError, match="first 1 of 70"):
            suite.test_a_prefix_gives_the_beginning_of_the_whole()
        with pytest.raises(AssertionError, match="in pieces of"):
            suite.test_pieces_with_the_state_carried_equal_the_whole()

    def test_a_layer_that_normalises_over_the_batch_fails(self):
        class BatchNorm(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)

            def forward(self, x_BTD, state=None):
                return self.out(x_BTD - x_BTD.mean(dim=0)), state

        with pytest.raises(AssertionError, match="row 1 alone"):
            self._Suite(BatchNorm).test_rows_of_a_batch_do_not_see_each_other()

    def test_a_layer_that_counts_its_calls_fails(self):
        class Counts(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)
                self.n_calls = 0

            def forward(self, x_BTD, state=None):
                self.n_calls += 1
                return self.out(x_BTD) * self.n_calls, state

        with pytest.raises(AssertionError, match="same call gave other numbers"):
            self._Suite(Counts).test_a_call_leaves_no_trace()

    def test_a_layer_with_a_dead_weight_fails(self):
        class Dead(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)
                self.ballast = nn.Parameter(torch.ones(d_model))

            def forward(self, x_BTD, state=None):
                return self.out(x_BTD) + 0 * self.ballast, state

        with pytest.raises(AssertionError, match="ballast is zero: a dead weight"):
            self._Suite(Dead).test_every_parameter_gets_a_finite_gradient_that_is_not_all_zero()

    def test_a_layer_with_weights_outside_its_state_dict_fails(self):
        class Hides(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)
                self.register_buffer("hidden", torch.rand(d_model), persistent=False)

            def forward(self, x_BTD, state=None):
                return self.out(x_BTD) + self.hidden, state

        class Suite(self._Suite):
            def make(self, d_model, n_heads, layer_index):
                return Hides(d_model)

        with pytest.raises(AssertionError, match="something is kept elsewhere"):
            Suite(Hides).test_the_state_dict_is_the_whole_layer()

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
    def test_a_layer_with_a_hard_coded_dtype_fails(self, dtype):
        class Rounds(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)

            def forward(self, x_BTD, state=None):
                return self.out(x_BTD).to(dtype).to(x_BTD.dtype), state

        with pytest.raises(AssertionError, match="something is rounded on the way"):
            self._Suite(Rounds).test_float64_is_computed_in_float64()

    def test_a_layer_that_keeps_its_past_fails_unless_it_says_so(self):
        class KeepsAll(nn.Module):
            def __init__(self, d_model):
                super().__init__()
                self.out = nn.Linear(d_model, d_model)

            def forward(self, x_BTD, state=None):
                past_BTD = x_BTD if state is None else torch.cat([state, x_BTD], dim=1)
                return self.out(past_BTD.cumsum(dim=1)[:, -x_BTD.shape[1] :]), past_BTD

        suite = self._Suite(KeepsAll)
        with pytest.raises(AssertionError, match="state at T=2"):
            suite.test_the_state_is_batch_first_and_of_constant_size()
        suite.has_constant_state = False
        suite.test_the_state_is_batch_first_and_of_constant_size()

    def test_a_state_of_anything_but_tensors_is_refused_by_path(self):
        with pytest.raises(TypeError, match=r"state\['step'\] is a int"):
            leaves({"memory": torch.zeros(1), "step": 3})
