"""Each reference mixer is the layer its paper describes: values, at jittered weights.

Each is compared with its paper's recurrence written as a plain loop. What transformers has is
compared with that, in test_mixers_against_transformers.py.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena import mixers
from move37.testing.mixer_contract import jitter, noise

D_MODEL, N_HEADS = 32, 2


def mixer_class(name: str) -> Any:
    """Run a mixer's source as a candidate's is run: from the text alone."""
    namespace: dict[str, Any] = {"__name__": f"candidate_{name}"}
    exec(compile(mixers.source(name), f"{name}.py", "exec"), namespace)
    return namespace["Mixer"]


def jittered(name: str, *, layer_index: int = 0) -> Any:
    torch.manual_seed(0)
    return jitter(mixer_class(name)(D_MODEL, N_HEADS, layer_index)).double().eval()


def heads(x_D: Tensor) -> Tensor:
    return x_D.unflatten(-1, (N_HEADS, -1))


def rms(x: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + 1e-6).sqrt()


def convolve(x_BTD: Tensor, weight_DW: Tensor) -> Tensor:
    n_taps = weight_DW.shape[1]
    padded_BTD = F.pad(x_BTD, (0, 0, n_taps - 1, 0))
    windows_BTDW = padded_BTD.unfold(1, n_taps, 1)
    return (windows_BTDW * weight_DW).sum(-1)


class TestSoftmaxValues:
    def test_is_a_softmax_over_rotated_scores(self):
        mixer = jittered("softmax_attention")
        x_BTD = noise(2, 21, D_MODEL)
        q_BHTK, k_BHTK, v_BHTK = (
            heads(part).transpose(1, 2) for part in mixer.qkv(x_BTD).chunk(3, dim=-1)
        )
        rotation_TKK = torch.stack([_rotation(t, D_MODEL // N_HEADS) for t in range(21)])
        q_BHTK = torch.einsum("tij,bhtj->bhti", rotation_TKK, q_BHTK)
        k_BHTK = torch.einsum("tij,bhtj->bhti", rotation_TKK, k_BHTK)
        score_BHTS = q_BHTK @ k_BHTK.transpose(-1, -2) / math.sqrt(D_MODEL // N_HEADS)
        score_BHTS = score_BHTS.masked_fill(torch.ones(21, 21).triu(1).bool(), -torch.inf)
        wanted_BTD = mixer.out((score_BHTS.softmax(-1) @ v_BHTK).transpose(1, 2).flatten(-2))
        torch.testing.assert_close(mixer(x_BTD)[0], wanted_BTD)


def _rotation(position: int, n_channels: int) -> Tensor:
    """Return the rotation of one position as a matrix, halves paired."""
    half = n_channels // 2
    matrix_KK = torch.zeros(n_channels, n_channels, dtype=torch.float64)
    for i in range(half):
        angle = position * 10_000 ** (-i / half)
        matrix_KK[i, i] = matrix_KK[half + i, half + i] = math.cos(angle)
        matrix_KK[i, half + i], matrix_KK[half + i, i] = -math.sin(angle), math.sin(angle)
    return matrix_KK


class TestLinearFamilyValues:
    """Additive memories against their quadratic or looped definition."""

    def test_linear_attention_is_a_weighted_mean_of_past_values(self):
        mixer = jittered("linear_attention")
        x_BTD = noise(2, 19, D_MODEL)
        q_BHTK, k_BHTK, v_BHTV = (
            heads(part).transpose(1, 2) for part in mixer.qkv(x_BTD).chunk(3, dim=-1)
        )
        weight_BHTS = ((F.elu(q_BHTK) + 1) @ (F.elu(k_BHTK) + 1).transpose(-1, -2)).tril()
        o_BHTV = weight_BHTS @ v_BHTV / (weight_BHTS.sum(-1, keepdim=True) + 1e-6)
        wanted_BTD = mixer.out(o_BHTV.transpose(1, 2).flatten(-2))
        torch.testing.assert_close(mixer(x_BTD)[0], wanted_BTD)

    def test_retention_decays_and_rotates_with_distance(self):
        mixer = jittered("retnet")
        x_BTD = noise(2, 19, D_MODEL)
        q_BHTK, k_BHTK, v_BHTV, g_BHTV = (
            heads(part).transpose(1, 2) for part in mixer.qkvg(x_BTD).chunk(4, dim=-1)
        )
        n_channels = D_MODEL // N_HEADS
        o_BHTV = torch.zeros_like(v_BHTV)
        for t in range(19):
            for s in range(t + 1):
                turned_BHK = k_BHTK[:, :, s] @ _rotation(s - t, n_channels).T
                gamma_H1 = torch.tensor([[1 - 2**-5], [1 - 2**-6]], dtype=torch.float64)
                score_BH1 = (q_BHTK[:, :, t] * turned_BHK).sum(-1, keepdim=True)
                o_BHTV[:, :, t] += gamma_H1 ** (t - s) * score_BH1 * v_BHTV[:, :, s]
        y_BHTV = rms(o_BHTV / math.sqrt(n_channels)) * F.silu(g_BHTV)
        wanted_BTD = mixer.out(y_BHTV.transpose(1, 2).flatten(-2))
        torch.testing.assert_close(mixer(x_BTD)[0], wanted_BTD)

    def test_gla_forgets_per_channel(self):
        mixer = jittered("gla")
        x_BTD = noise(2, 19, D_MODEL)
        q, k, v, g = map(heads, mixer.qkvg(x_BTD).chunk(4, dim=-1))
        alpha = heads(torch.sigmoid(mixer.decay_up(mixer.decay_down(x_BTD))) ** (1 / 16))
        S_BHKV, rows = torch.zeros(2, N_HEADS, 16, 16, dtype=torch.float64), []
        for t in range(19):
            S_BHKV = alpha[:, t, :, :, None] * S_BHKV + k[:, t, :, :, None] * v[:, t, :, None]
            o_BHV = (q[:, t, :, :, None] * S_BHKV).sum(2) / math.sqrt(16)
            rows.append(rms(o_BHV) * mixer.norm_weight * F.silu(g[:, t]))
        torch.testing.assert_close(mixer(x_BTD)[0], mixer.out(torch.stack(rows, 1).flatten(-2)))

    @pytest.mark.parametrize("layer_index", [0, 1, 3])
    def test_hgrn2_keys_are_what_the_bounded_gate_lets_go(self, layer_index):
        mixer = jittered("hgrn2", layer_index=layer_index)
        x_BTD = noise(2, 19, D_MODEL)
        q, f, v = mixer.qfv(x_BTD).chunk(3, dim=-1)
        bound = torch.sigmoid(mixer.bound_logit_D) if layer_index else 0.0
        f = heads(bound + (1 - bound) * torch.sigmoid(f))
        q, v = heads(F.silu(q)), heads(v)
        S_BHKV, rows = torch.zeros(2, N_HEADS, 16, 16, dtype=torch.float64), []
        for t in range(19):
            write = (1 - f[:, t])[..., None] * v[:, t, :, None]
            S_BHKV = f[:, t, ..., None] * S_BHKV + write
            rows.append((q[:, t, :, :, None] * S_BHKV).sum(2))
        y_BTD = rms(torch.stack(rows, 1).flatten(-2)) * mixer.norm_weight
        torch.testing.assert_close(mixer(x_BTD)[0], mixer.out(y_BTD))

    def test_hgrn2_bounds_start_where_the_papers_softmax_puts_the_last_layer(self):
        bound_D = torch.sigmoid(mixer_class("hgrn2")(D_MODEL, N_HEADS, 3).bound_logit_D)
        torch.testing.assert_close(bound_D, torch.full((D_MODEL,), 0.75))


class TestDeltaFamilyValues:
    def test_delta_product_takes_two_reflections_per_token(self):
        mixer = jittered("delta_product")
        x_BTD = noise(2, 11, D_MODEL)
        qkv = F.silu(convolve(mixer.qkv(x_BTD), mixer.convolution_weight))
        q, k, v = qkv.split([32, 64, 64], dim=-1)
        q = unit(heads(q))
        k, v = (part.unflatten(-1, (2, N_HEADS, -1)) for part in (k, v))
        beta = 2 * torch.sigmoid(mixer.beta(x_BTD)).unflatten(-1, (2, N_HEADS))
        S_BHKV, rows = torch.zeros(2, N_HEADS, 16, 16, dtype=torch.float64), []
        for t in range(11):
            for step in range(2):
                key = unit(k[:, t, step])
                error = v[:, t, step] - (key[..., None] * S_BHKV).sum(2)
                write = beta[:, t, step, :, None] * error
                S_BHKV = S_BHKV + key[..., None] * write[:, :, None]
            rows.append((q[:, t, :, :, None] * S_BHKV).sum(2) / 4)
        y_BTHV = rms(torch.stack(rows, 1)) * mixer.norm_weight
        torch.testing.assert_close(mixer(x_BTD)[0], mixer.out(y_BTHV.flatten(-2)))

    def test_gated_deltanet2_decays_then_erases_then_writes(self):
        mixer = jittered("gated_deltanet2")
        x_BTD = noise(2, 11, D_MODEL)
        qkv = F.silu(convolve(mixer.qkv(x_BTD), mixer.convolution_weight))
        q, k, v = map(heads, qkv.chunk(3, dim=-1))
        q, k = unit(q), unit(k)
        erase, write = map(heads, torch.sigmoid(mixer.erase_and_write(x_BTD)).chunk(2, dim=-1))
        step = F.softplus(mixer.step_up(mixer.step_down(x_BTD)) + mixer.step_bias_D)
        alpha = torch.exp(-mixer.log_rate_H.exp()[:, None] * heads(step))
        gate = heads(mixer.gate_up(mixer.gate_down(x_BTD)))
        S_BHKV, rows = torch.zeros(2, N_HEADS, 16, 16, dtype=torch.float64), []
        for t in range(11):
            S_BHKV = alpha[:, t, :, :, None] * S_BHKV
            read = ((erase[:, t] * k[:, t])[..., None] * S_BHKV).sum(2)
            new = write[:, t] * v[:, t] - read
            S_BHKV = S_BHKV + k[:, t, :, :, None] * new[:, :, None]
            o_BHV = (q[:, t, :, :, None] * S_BHKV).sum(2) / 4
            rows.append(rms(o_BHV) * mixer.norm_weight * F.silu(gate[:, t]))
        torch.testing.assert_close(mixer(x_BTD)[0], mixer.out(torch.stack(rows, 1).flatten(-2)))

    def test_gated_deltanet2_with_one_scalar_gate_is_kimi_delta_attention(self):
        torch.manual_seed(0)
        ours = mixer_class("gated_deltanet2")(D_MODEL, N_HEADS, 0).double()
        kimi = mixer_class("kimi_delta_attention")(D_MODEL, N_HEADS, 0).double()
        with torch.no_grad():
            ours.erase_and_write.weight.zero_()
            kimi.beta.weight.zero_()
            ours.gate_down.weight.zero_()
            ours.gate_up.bias.fill_(2.0)
            kimi.gate_down.weight.zero_()
        shared = {
            name: tensor for name, tensor in ours.state_dict().items() if name in kimi.state_dict()
        }
        kimi.load_state_dict({**kimi.state_dict(), **shared})
        x_BTD = noise(2, 40, D_MODEL)
        ratio = F.silu(torch.tensor(2.0, dtype=torch.float64)) / 0.5
        torch.testing.assert_close(ours(x_BTD)[0], ratio * kimi(x_BTD)[0])

    @pytest.mark.parametrize("layer_index", [0, 1])
    def test_rwkv7_follows_the_papers_recurrence(self, layer_index):
        mixer = jittered("rwkv7", layer_index=layer_index)
        x_BTD = noise(2, 11, D_MODEL)
        before_BTD = F.pad(x_BTD, (0, 0, 1, 0))[:, :-1]
        mix = mixer.shift.view(6, D_MODEL)
        x_r, x_w, x_k, x_v, x_a, x_g = (x_BTD + (before_BTD - x_BTD) * m for m in mix)
        lora = mixer.decay
        decay = torch.tanh(x_w @ lora.down_DR) @ lora.up_RD + lora.bias_D
        w = heads(torch.exp(-torch.exp(-F.softplus(-decay) - 0.5)))
        a = torch.sigmoid(x_a @ mixer.rate.down_DR @ mixer.rate.up_RD + mixer.rate.bias_D)
        g = torch.sigmoid(x_g @ mixer.gate.down_DR) @ mixer.gate.up_RD
        r, k, v = mixer.r(x_r), mixer.k(x_k), heads(mixer.v(x_v))
        c = F.normalize(heads(k * mixer.erase_scale_D), dim=-1)
        k = heads(k * (1 + (a - 1) * mixer.write_mix_D))
        r, a = heads(r), heads(a)
        # The paper's state is values by keys, and a row vector of keys is erased from the right.
        S_BHVK, rows = torch.zeros(2, N_HEADS, 16, 16, dtype=torch.float64), []
        for t in range(11):
            erased = (S_BHVK * c[:, t, :, None]).sum(-1, keepdim=True) * (c * a)[:, t, :, None]
            write = v[:, t, ..., None] * k[:, t, :, None]
            S_BHVK = S_BHVK * w[:, t, :, None] - erased + write
            rows.append((S_BHVK * r[:, t, :, None]).sum(-1))
        norm_D = nn.GroupNorm(N_HEADS, D_MODEL, eps=64e-5).double()
        norm_D.load_state_dict({"weight": mixer.norm_weight, "bias": mixer.norm_bias})
        y_BTD = norm_D(torch.stack(rows, 1).reshape(22, D_MODEL)).view(2, 11, D_MODEL)
        bonus_BTH1 = (r * k * heads(mixer.bonus_D)).sum(-1, keepdim=True)
        wanted_BTD = mixer.out((y_BTD + (bonus_BTH1 * v).flatten(-2)) * g)
        torch.testing.assert_close(mixer(x_BTD)[0], wanted_BTD)


class TestMamba3Values:
    def test_follows_the_complex_trapezoidal_recurrence(self):
        """The state as complex numbers that turn themselves; ours turns B and C instead."""
        mixer = jittered("mamba3")
        x_BTD = noise(2, 11, D_MODEL)
        z, x, B, C, step, rate, blend, turn = mixer.project(x_BTD).split(mixer.splits, dim=-1)
        x, step = heads(x), F.softplus(step + mixer.step_bias_H)
        log_alpha = -F.softplus(rate).clamp(min=1e-4) * step
        blend = torch.sigmoid(blend)
        turn = math.pi * torch.tanh(turn)[:, :, None] * step[..., None]
        B = (rms(B) * mixer.B_norm_weight)[:, :, None] + heads(mixer.B_bias)
        C = (rms(C) * mixer.C_norm_weight)[:, :, None] + heads(mixer.C_bias)
        B, C, turn = self._complex(B), self._complex(C), F.pad(turn, (0, 8))
        h_BHNP = torch.zeros(2, N_HEADS, 12, 32, dtype=torch.complex128)
        rows, before = [], torch.zeros_like(h_BHNP)
        for t in range(11):
            now = B[:, t, ..., None] * x[:, t, :, None]
            spin = torch.exp(log_alpha[:, t, :, None] + 1j * -turn[:, t])[..., None]
            past, present = (
                ((1 - blend) * step)[:, t, :, None, None],
                (blend * step)[:, t, :, None, None],
            )
            h_BHNP = spin * (h_BHNP + past * before) + present * now
            before = now
            rows.append((C[:, t, ..., None].conj() * h_BHNP).real.sum(2))
        y_BTHP = torch.stack(rows, 1) + mixer.skip_H[:, None] * x
        wanted_BTD = mixer.out(y_BTHP.flatten(-2) * F.silu(z))
        torch.testing.assert_close(mixer(x_BTD)[0], wanted_BTD)

    @staticmethod
    def _complex(x_BTHN: Tensor) -> Tensor:
        """Pair the first half of 16 channels into 4 complex ones; the other 8 stay real."""
        pairs = torch.view_as_complex(x_BTHN[..., :8].unflatten(-1, (4, 2)).contiguous())
        return torch.cat([pairs, x_BTHN[..., 8:].to(torch.complex128)], dim=-1)
