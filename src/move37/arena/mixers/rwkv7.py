"""RWKV-7: a delta rule whose erasing key, writing key, rate and decay are all learned apart.

Peng et al. 2025, "RWKV-7 'Goose' with Expressive Dynamic State Evolution" (arXiv 2503.14456).

    S_t = (diag(w_t) - (a_t * c_t) c_t^T) S_{t-1} + k_t v_t^T
    w_t = exp(-e^(-1/2) sigmoid(lora(x^w_t))),    a_t = sigmoid(lora(x^a_t))
    c_t = unit(xi * W_k x^k_t),    k_t = W_k x^k_t * (1 + (a_t - 1) * alpha)
    y_t = W_o (g_t * (norm(S_t^T r_t) + (r_t . (rho * k_t)) v_t)),    g_t = lora(x^g_t)

Each x^i_t lies between x_t and x_{t-1}, at a learned place per channel (token shift). The norm is a
group norm per head. Initial values are those of the authors' code.

Simplified: no value residual (it needs the first layer's values, and a mixer knows no sibling); the
default initial output projection instead of zeros; where the authors' initial values depend on how
many layers there are, the layer takes itself for the last of them (right in models of up to two
layers); ranks are rounded to multiples of 8 instead of 32, so that small widths keep their shape;
low-rank matrices decay like all matrices.

B batch, T time, H heads, K key dim, V value dim, R rank, D channels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import dplr_delta_rule, l2_norm

MAX_DECAY = math.exp(-0.5)  # -log w is at most this; the paper's
NORM_EPSILON = 64e-5  # the authors' code


class Mixer(nn.Module):
    """Generalised delta rule with token shift; 4 D^2 parameters plus 4 D per unit of rank."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        ramp_D = torch.arange(d_model) / max(1, d_model - 1)
        zigzag_D = _zigzag(d_model, n_heads)
        self.shift = nn.Parameter(_initial_shift(d_model, layer_index).flatten())
        self.r = _uniform_linear(d_model, 0.5)
        self.k = _uniform_linear(d_model, 0.05)
        self.v = _uniform_linear(d_model, 0.5)
        power = 1.0 if layer_index == 0 else 2.0
        self.decay = _LowRank(
            d_model, _rank(2.5, d_model), bias_D=-5.5 + 6 * ramp_D**power + 2.5 * zigzag_D
        )
        self.rate = _LowRank(
            d_model,
            _rank(2.5, d_model),
            bias_D=-0.19 + 0.3 * zigzag_D + 0.4 * (ramp_D - 0.5),
        )
        self.gate = _LowRank(d_model, _rank(5.0, d_model))
        self.erase_scale_D = nn.Parameter(0.71 - 0.1 * (ramp_D - 0.5))
        self.write_mix_D = nn.Parameter(torch.full((d_model,), 1.02))
        self.bonus_D = nn.Parameter(torch.full((d_model,), -0.04))
        self.norm_weight = nn.Parameter(torch.ones(d_model))
        self.norm_bias = nn.Parameter(torch.zeros(d_model))
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds S and the last input."""
        state = state or {"memory": None, "last": torch.zeros_like(x_BTD[:, 0])}
        x_r, x_w, x_k, x_v, x_a, x_g = self._shifted(x_BTD, state["last"])
        r_BTD, k_BTD, v_BTHV = self.r(x_r), self.k(x_k), self._heads(self.v(x_v))
        log_decay_BTD = -MAX_DECAY * self.decay(x_w, torch.tanh).sigmoid()
        rate_BTD = self.rate(x_a).sigmoid()
        c_BTHK = l2_norm(self._heads(k_BTD * self.erase_scale_D), eps=1e-12)
        k_BTD = k_BTD * (1 + (rate_BTD - 1) * self.write_mix_D)
        r_BTHK, k_BTHK = self._heads(r_BTD), self._heads(k_BTD)
        o_BTHV, memory = dplr_delta_rule(
            r_BTHK,
            k_BTHK,
            v_BTHV,
            self._heads(rate_BTD) * c_BTHK,
            -c_BTHK,
            self._heads(log_decay_BTD),
            state_BHKV=state["memory"],
        )
        bonus_BTH1 = (r_BTHK * k_BTHK * self._heads(self.bonus_D)).sum(-1, keepdim=True)
        y_BTD = self._group_norm(o_BTHV) + (bonus_BTH1 * v_BTHV).flatten(-2)
        y_BTD = self.out(y_BTD * self.gate(x_g, torch.sigmoid))
        return y_BTD, {"memory": memory, "last": x_BTD[:, -1]}

    def _shifted(self, x_BTD: Tensor, last_BD: Tensor) -> tuple[Tensor, ...]:
        """Return six blends of each position with the one before it."""
        before_BTD = torch.cat([last_BD[:, None], x_BTD[:, :-1]], dim=1)
        blends_6BTD = x_BTD + (before_BTD - x_BTD) * self.shift.view(6, 1, 1, -1)
        return blends_6BTD.unbind()

    def _group_norm(self, o_BTHV: Tensor) -> Tensor:
        y_BTHV = F.layer_norm(o_BTHV, o_BTHV.shape[-1:], eps=NORM_EPSILON)
        return y_BTHV.flatten(-2) * self.norm_weight + self.norm_bias

    def _heads(self, x_D: Tensor) -> Tensor:
        return x_D.unflatten(-1, (self.n_heads, -1))


class _LowRank(nn.Module):
    """x W_1, an activation, W_2, and a bias: the paper's lora. W_1 starts at zero."""

    def __init__(self, d_model: int, rank: int, *, bias_D: Tensor | None = None) -> None:
        super().__init__()
        self.down_DR = nn.Parameter(torch.zeros(d_model, rank))
        self.up_RD = nn.Parameter(nn.init.orthogonal_(torch.empty(rank, d_model), gain=0.1))
        self.bias_D = None if bias_D is None else nn.Parameter(bias_D)

    def forward(self, x_BTD: Tensor, activation=lambda x: x) -> Tensor:
        y_BTD = activation(x_BTD @ self.down_DR) @ self.up_RD
        return y_BTD if self.bias_D is None else y_BTD + self.bias_D


def _rank(factor: float, d_model: int) -> int:
    return max(8, round(factor * d_model**0.5 / 8) * 8)


def _uniform_linear(d_model: int, scale: float) -> nn.Linear:
    linear = nn.Linear(d_model, d_model, bias=False)
    bound = scale / d_model**0.5
    nn.init.uniform_(linear.weight, -bound, bound)
    return linear


def _initial_shift(d_model: int, layer_index: int) -> Tensor:
    """Return how far each of r, w, k, v, a, g starts towards the previous position: (6, D)."""
    place_D = torch.arange(d_model) / d_model
    exponents_61 = torch.tensor([0.2, 0.9, 0.7, 0.7, 0.9, 0.2])[:, None] / (layer_index + 1)
    return 1 - place_D**exponents_61


def _zigzag(d_model: int, n_heads: int) -> Tensor:
    """Return a signed square from -1 to 1 over the channels of each head: (D,)."""
    centred_K = torch.linspace(-1, 1, d_model // n_heads)
    return (centred_K * centred_K.abs()).repeat(n_heads)
