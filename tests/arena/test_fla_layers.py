"""Layers written the fla way, as language models write them, through the whole probing.

Each file in `fla_layers` says in its first line which probes it must fail. Beside that, the
stand-ins for fla's own names are compared with plain loops, packed and cached sequences included.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from move37.arena.contract import ContractError, load_mixer
from move37.arena.fla import ops
from move37.arena.fla.cache import Cache
from move37.arena.fla.modules import FusedRMSNormGated, RMSNorm, RotaryEmbedding, ShortConvolution
from move37.arena.fla.padding import get_unpad_data, index_first_axis, pad_input
from move37.core.budget import Limits
from move37.core.trial import Outcome
from move37.lab.laboratory import Laboratory
from move37.lab.probes import probe

FILES = sorted((Path(__file__).parent / "fla_layers").glob("*.py.txt"))
LIMITS = Limits(wall_seconds=120, cpu_seconds=60, memory_bytes=512 * 2**20)
BORDERS = torch.tensor([0, 5, 6, 19], dtype=torch.int32)


@pytest.fixture(scope="module")
def laboratory():
    with Laboratory() as laboratory:
        yield laboratory


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".py.txt"))
def test_a_layer_written_the_fla_way_fails_exactly_the_probes_it_must(path, laboratory):
    source = path.read_text(encoding="utf-8")
    expected = set(source.partition("\n")[0].removeprefix("# fails: ").split(", ")) - {"nothing"}
    report = probe(
        lambda: laboratory.session(LIMITS), source, d_model=32, n_heads=2, wall_seconds=120
    )
    failed = {v.name: v.detail for v in report.verdicts if not v.passed}
    assert failed.keys() == expected, failed or report.reason
    assert report.outcome is (Outcome.PROBE_FAILED if expected else Outcome.COMPLETED)


def test_hard_coded_bfloat16_is_told_in_the_verdict(laboratory):
    source = (Path(__file__).parent / "fla_layers" / "bfloat16_everywhere.py.txt").read_text()
    report = probe(lambda: laboratory.session(LIMITS), source, d_model=32, n_heads=2)
    (verdict,) = [v for v in report.verdicts if v.name == "dtype"]
    assert "bfloat16" in verdict.detail


def test_left_padding_is_put_to_layers_that_take_a_mask_and_to_no_others(laboratory):
    for name, words in (("gated_delta_cached", ""), ("no_imports_but_torch", "not claimed")):
        source = (Path(__file__).parent / "fla_layers" / f"{name}.py.txt").read_text()
        report = probe(lambda: laboratory.session(LIMITS), source, d_model=32, n_heads=2)
        (verdict,) = [v for v in report.verdicts if v.name == "left_padding"]
        assert verdict.passed
        assert verdict.detail.startswith(words)
        assert (verdict.detail == "") == (words == "")


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def loop_gated_delta(inputs, state):
    """One sequence, one head: S = exp(g) (I - b k k^T) S + b k v^T, o = K^-0.5 S^T q."""
    q, k, v, g, beta = inputs
    scale = q.shape[-1] ** -0.5
    outputs = []
    for t in range(len(q)):
        state = g[t].exp() * state
        state = state + beta[t] * torch.outer(k[t], v[t] - state.T @ k[t])
        outputs.append(scale * state.T @ q[t])
    return torch.stack(outputs), state


def packed_by_loop(q, k, v, g, beta, states):
    outputs, finals = [], []
    for n, (a, b) in enumerate(pairwise(BORDERS.tolist())):
        heads = [
            loop_gated_delta([x[0, a:b, h] for x in (q, k, v, g, beta)], states[n, h])
            for h in range(q.shape[2])
        ]
        outputs.append(torch.stack([o for o, _ in heads], dim=1))
        finals.append(torch.stack([s for _, s in heads]))
    return torch.cat(outputs)[None], torch.stack(finals)


class TestOps:
    q, k = draw(1, 19, 2, 4, seed=0), F.normalize(draw(1, 19, 2, 4, seed=1), dim=-1)
    v, g = draw(1, 19, 2, 6, seed=2), -draw(1, 19, 2, seed=3).abs()
    beta = draw(1, 19, 2, seed=4).sigmoid()
    states = draw(3, 2, 4, 6, seed=5)

    def test_packed_gated_delta_rule_equals_a_loop_over_each_sequence(self):
        expected, final = packed_by_loop(self.q, self.k, self.v, self.g, self.beta, self.states)
        o, state = ops.chunk_gated_delta_rule(
            self.q, self.k, self.v, self.g, self.beta, initial_state=self.states,
            output_final_state=True, cu_seqlens=BORDERS,
        )  # fmt: skip
        torch.testing.assert_close(o, expected)
        torch.testing.assert_close(state, final)

    def test_raw_gates_in_the_kernel_equal_gates_made_outside(self):
        raw, A_log, dt_bias = draw(1, 19, 2, seed=6), draw(2, seed=7), draw(2, seed=8)
        logit = draw(1, 19, 2, seed=9)
        inside, _ = ops.fused_recurrent_gated_delta_rule(
            self.q, self.k, self.v, raw, logit, A_log=A_log, dt_bias=dt_bias,
            use_gate_in_kernel=True, use_beta_sigmoid_in_kernel=True, allow_neg_eigval=True,
        )  # fmt: skip
        g = -A_log.exp() * F.softplus(raw + dt_bias)
        outside, _ = ops.chunk_gated_delta_rule(self.q, self.k, self.v, g, 2 * logit.sigmoid())
        torch.testing.assert_close(inside, outside)

    def test_head_first_is_the_same_transposed(self):
        q, k, v, beta = (x.transpose(1, 2) for x in (self.q, self.k, self.v, self.beta))
        o, state = ops.chunk_delta_rule(q, k, v, beta, head_first=True, output_final_state=True)
        expected, expected_state = ops.chunk_delta_rule(
            self.q, self.k, self.v, self.beta, output_final_state=True
        )
        torch.testing.assert_close(o.transpose(1, 2), expected)
        torch.testing.assert_close(state, expected_state)

    def test_value_first_states_are_the_same_transposed(self):
        first = self.states[:1]
        o, state = ops.chunk_delta_rule(
            self.q, self.k, self.v, self.beta, initial_state=first.transpose(-1, -2),
            state_v_first=True, output_final_state=True,
        )  # fmt: skip
        expected, expected_state = ops.chunk_delta_rule(
            self.q, self.k, self.v, self.beta, initial_state=first, output_final_state=True
        )
        torch.testing.assert_close(o, expected)
        assert state is not None
        torch.testing.assert_close(state.transpose(-1, -2), expected_state)

    def test_more_value_heads_than_key_heads_share_keys_in_groups(self):
        v = torch.cat([self.v, 2 * self.v], dim=2)
        g, beta = self.g.repeat(1, 1, 2), self.beta.repeat(1, 1, 2)
        o, _ = ops.chunk_gated_delta_rule(self.q, self.k, v, g, beta)
        expected, _ = ops.chunk_gated_delta_rule(
            self.q[:, :, :1], self.k[:, :, :1], v[:, :, 1:2], g[:, :, 1:2], beta[:, :, 1:2]
        )
        torch.testing.assert_close(o[:, :, 1:2], expected)

    def test_kimi_delta_with_one_decay_for_all_channels_is_the_gated_delta_rule(self):
        g = self.g.unsqueeze(-1).expand(-1, -1, -1, 4)
        o, _ = ops.chunk_kda(self.q, self.k, self.v, g, self.beta)
        expected, _ = ops.chunk_gated_delta_rule(self.q, self.k, self.v, self.g, self.beta)
        torch.testing.assert_close(o, expected)

    def test_dplr_reads_with_a_and_writes_with_b(self):
        a, b, gk = (
            draw(1, 7, 1, 4, seed=1),
            draw(1, 7, 1, 4, seed=2),
            -draw(1, 7, 1, 4, seed=3).abs(),
        )
        q, k, v = (draw(1, 7, 1, 4, seed=s) for s in (4, 5, 6))
        S = torch.zeros(4, 4, dtype=torch.float64)
        expected = []
        for t in range(7):
            read = S.T @ a[0, t, 0]
            S = gk[0, t, 0].exp()[:, None] * S + torch.outer(b[0, t, 0], read)
            S = S + torch.outer(k[0, t, 0], v[0, t, 0])
            expected.append(S.T @ q[0, t, 0])
        o, _ = ops.chunk_rwkv7(q, gk, k, v, a, b)
        torch.testing.assert_close(o[0, :, 0], torch.stack(expected))

    def test_normalised_linear_attention_averages_values_by_weight(self):
        q, k = self.q.exp(), self.k.exp()
        o, _ = ops.chunk_linear_attn(q, k, self.v)
        weights = torch.einsum("bihk,bjhk->bhij", q, k).tril()
        weights = weights / weights.sum(-1, keepdim=True)
        torch.testing.assert_close(o, torch.einsum("bhij,bjhv->bihv", weights, self.v))

    def test_retention_decays_slower_in_later_heads(self):
        o, _ = ops.parallel_retention(self.q, self.k, self.v)
        distance = torch.arange(19)[:, None] - torch.arange(19)[None]
        decay = torch.stack([(1 - 2.0 ** (-5 - h)) ** distance for h in range(2)]).tril()
        scores = torch.einsum("bihk,bjhk->bhij", self.q, self.k) * decay / 2
        torch.testing.assert_close(o, torch.einsum("bhij,bjhv->bihv", scores, self.v))


class TestModules:
    def test_short_convolution_equals_torchs_on_left_padded_input(self):
        conv = ShortConvolution(6, 4, bias=True, activation=None).double()
        x_BTD = draw(2, 11, 6, seed=0)
        y, cache = conv(x_BTD)
        padded = F.pad(x_BTD.transpose(1, 2), (3, 0))
        torch.testing.assert_close(
            y, F.conv1d(padded, conv.weight, conv.bias, groups=6).transpose(1, 2)
        )
        assert cache is None

    @pytest.mark.parametrize("split", [1, 2, 3, 10])
    def test_short_convolution_in_two_pieces_equals_one(self, split):
        conv = ShortConvolution(6, 4).double()
        x_BTD = draw(2, 11, 6, seed=0)
        whole, final = conv(x_BTD, output_final_state=True)
        first, cache = conv(x_BTD[:, :split], output_final_state=True)
        second, last = conv(x_BTD[:, split:], cache=cache, output_final_state=True)
        torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
        torch.testing.assert_close(last, final)
        assert final.shape == (2, 6, 4)

    def test_short_convolution_does_not_cross_borders_of_packed_sequences(self):
        conv = ShortConvolution(6, 4).double()
        x_BTD = draw(1, 19, 6, seed=0)
        packed, states = conv(x_BTD, output_final_state=True, cu_seqlens=BORDERS)
        for n, (a, b) in enumerate(pairwise(BORDERS.tolist())):
            alone, state = conv(x_BTD[:, a:b], output_final_state=True)
            torch.testing.assert_close(packed[:, a:b], alone)
            torch.testing.assert_close(states[n : n + 1], state)

    def test_unpadding_and_padding_again_gives_the_tokens_back_and_zeros(self):
        mask_BT = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
        x_BTD = draw(2, 5, 3, seed=0)
        indices_N, borders, longest = get_unpad_data(mask_BT)
        packed = index_first_axis(x_BTD.flatten(0, 1), indices_N)
        assert (borders.tolist(), longest, len(packed)) == ([0, 3, 8], 5, 8)
        torch.testing.assert_close(pad_input(packed, indices_N, 2, 5), x_BTD * mask_BT[..., None])

    def test_gated_norm_is_norm_times_silu_of_the_gate(self):
        x, gate = draw(2, 5, 8, seed=0), draw(2, 5, 8, seed=1)
        norm, gated = RMSNorm(8).double(), FusedRMSNormGated(8).double()
        torch.testing.assert_close(gated(x, gate), norm(x) * F.silu(gate))

    def test_prenorm_returns_the_sum_that_was_normalised(self):
        x, residual = draw(2, 5, 8, seed=0), draw(2, 5, 8, seed=1)
        norm = RMSNorm(8).double()
        y, total = norm(x, residual=residual, prenorm=True)
        torch.testing.assert_close(total, x + residual)
        torch.testing.assert_close(y, norm(x + residual))

    def test_rotated_products_depend_on_distance_only(self):
        rotary = RotaryEmbedding(4)
        q, k = draw(1, 1, 1, 4, seed=0), draw(1, 1, 1, 4, seed=1)
        near_q, _ = rotary(q, k, seqlen_offset=5)
        _, near_k = rotary(q, k, seqlen_offset=2)
        far_q, _ = rotary(q, k, seqlen_offset=105)
        _, far_k = rotary(q, k, seqlen_offset=102)
        torch.testing.assert_close((near_q * near_k).sum(), (far_q * far_k).sum())

    def test_the_cache_appends_keys_up_to_the_window_and_counts_tokens(self):
        cache = Cache()
        for first in (0, 4):
            keys = torch.arange(first, first + 4.0).view(1, 4, 1)
            cache.update(
                attn_state=(keys, keys), layer_idx=2, offset=4, cache_kwargs={"window_size": 6}
            )
        assert (len(cache), cache.get_seq_length(2)) == (3, 8)
        assert cache[2]["attn_state"][0].flatten().tolist() == [2, 3, 4, 5, 6, 7]
        assert cache[0]["recurrent_state"] is None


class TestFinding:
    def test_the_public_layer_with_a_cache_is_chosen_among_helpers(self):
        source = (
            "from torch import nn\n"
            "class Helper(nn.Module):\n"
            "    def forward(self, hidden_states): return hidden_states\n"
            "class Main(nn.Module):\n"
            "    def __init__(self, hidden_size, num_heads=2, layer_idx=0):\n"
            "        super().__init__(); self.p = nn.Linear(hidden_size, hidden_size)\n"
            "    def forward(self, hidden_states, past_key_values=None):\n"
            "        return self.p(hidden_states), None, past_key_values\n"
            "class _Late(nn.Module):\n"
            "    def forward(self, hidden_states, past_key_values=None): return hidden_states\n"
        )
        assert load_mixer(source).__name__ == "Main"

    def test_a_layer_that_takes_no_width_is_refused_with_the_way_out(self):
        source = (
            "from torch import nn\n"
            "class Layer(nn.Module):\n"
            "    def __init__(self, num_heads=2): super().__init__()\n"
            "    def forward(self, hidden_states): return hidden_states\n"
        )
        with pytest.raises(ContractError, match="hidden_size"):
            load_mixer(source)
