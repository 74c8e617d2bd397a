"""Mamba-3: a selective state space with a two-point update, a rotating state and no convolution.

Lahoti et al. 2026, "Mamba-3: Improved Sequence Modeling using State Space Principles"
(arXiv 2603.15569), in its single-input single-output (SISO) form.

    h_t = alpha_t h_{t-1} + beta_t B'_{t-1} x_{t-1}^T + gamma_t B'_t x_t^T
    alpha_t = exp(dt_t A_t),    beta_t = (1 - lambda_t) dt_t alpha_t,    gamma_t = lambda_t dt_t
    B'_t = R(theta_t) (norm(B_t) + b),    C'_t = R(theta_t) (norm(C_t) + c)
    theta_t = theta_{t-1} + dt_t pi tanh(w_t)
    y_t = W_o ((h_t^T C'_t + D x_t) * silu(z_t))

The update is the paper's exponential-trapezoidal rule: lambda = 1 is Mamba-2's, 1/2 the trapezoid.
R rotates pairs of the first half of the state's channels, which makes the state complex. dt > 0,
A < 0, lambda in (0, 1) and w all depend on the input. B, C and w are shared by all heads; b and c
belong to each head and start at one.

Simplified: the heads are the backbone's, so the head size is 2 D / H and the state size N is D / H
(the paper has 64 and 128). The inner width stays twice D, so the state is twice that of the other
references. Details not in the paper's formulas (half of the channels rotate, tanh, the floor under
-A, no output norm) are those of the authors' code.

B batch, T time, H heads, N state size, P head size, R rotation planes, D channels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena.kernels import linear_attention, rms_norm, step_bias

EXPAND = 2  # inner width over D; Mamba's block has no feed-forward part of its own
MIN_DECAY_RATE = 1e-4  # floor under -A; the authors' code
TIME_STEPS = (1e-3, 1e-1)  # dt at the start, log-uniform; the authors' code


class Mixer(nn.Module):
    """Exponential-trapezoidal complex state space; 6 D^2 + 2.25 D N parameters and some."""

    def __init__(self, d_model: int, n_heads: int, layer_index: int) -> None:
        super().__init__()
        del layer_index  # all layers are alike
        d_inner, n_state = EXPAND * d_model, d_model // n_heads
        if n_state < 4:
            raise ValueError(f"the state needs 4 channels to rotate, got {d_model} / {n_heads}")
        self.n_heads = n_heads
        self.n_planes = n_state // 4
        self.splits = [d_inner, d_inner, n_state, n_state, *[n_heads] * 3, self.n_planes]
        self.project = nn.Linear(d_model, sum(self.splits), bias=False)
        self.step_bias_H = nn.Parameter(step_bias(n_heads, *TIME_STEPS))
        self.B_norm_weight = nn.Parameter(torch.ones(n_state))
        self.C_norm_weight = nn.Parameter(torch.ones(n_state))
        self.B_bias = nn.Parameter(torch.ones(n_heads * n_state))
        self.C_bias = nn.Parameter(torch.ones(n_heads * n_state))
        self.skip_H = nn.Parameter(torch.ones(n_heads))
        self.out = nn.Linear(d_inner, d_model, bias=False)

    def forward(self, x_BTD: Tensor, state: dict | None = None) -> tuple[Tensor, dict]:
        """Mix over time; `state` holds h, theta, and the last B' and x."""
        z_BTD, x_BTD, B_BTN, C_BTN, step_BTH, rate_BTH, blend_BTH, turn_BTR = self.project(
            x_BTD
        ).split(self.splits, dim=-1)
        x_BTHP = x_BTD.unflatten(-1, (self.n_heads, -1))
        state = state or self._empty(x_BTHP)
        step_BTH = F.softplus(step_BTH + self.step_bias_H)
        turn_BTHR = math.pi * torch.tanh(turn_BTR)[:, :, None] * step_BTH[..., None]
        theta_BTHR = state["theta"][:, None] + turn_BTHR.cumsum(dim=1)
        B_BTHN = _rotate(self._biased(B_BTN, self.B_norm_weight, self.B_bias), theta_BTHR)
        C_BTHN = _rotate(self._biased(C_BTN, self.C_norm_weight, self.C_bias), theta_BTHR)
        y_BTHP, memory = _trapezoid(
            C_BTHN,
            B_BTHN,
            x_BTHP,
            step_BTH,
            -F.softplus(rate_BTH).clamp(min=MIN_DECAY_RATE) * step_BTH,
            blend_BTH.sigmoid(),
            state,
        )
        y_BTD = (y_BTHP + self.skip_H[:, None] * x_BTHP).flatten(-2) * F.silu(z_BTD)
        return self.out(y_BTD), {
            "memory": memory,
            "theta": theta_BTHR[:, -1].remainder(2 * math.pi),
            "B": B_BTHN[:, -1],
            "x": x_BTHP[:, -1],
        }

    def _biased(self, x_BTN: Tensor, norm_weight_N: Tensor, bias_HN: Tensor) -> Tensor:
        x_BT1N = rms_norm(x_BTN, norm_weight_N)[:, :, None]
        return x_BT1N + bias_HN.view(self.n_heads, -1)

    def _empty(self, x_BTHP: Tensor) -> dict:
        n_batch, _, n_heads, head_size = x_BTHP.shape
        n_state = self.B_norm_weight.numel()
        return {
            "memory": x_BTHP.new_zeros(n_batch, n_heads, n_state, head_size),
            "theta": x_BTHP.new_zeros(n_batch, n_heads, self.n_planes),
            "B": x_BTHP.new_zeros(n_batch, n_heads, n_state),
            "x": x_BTHP.new_zeros(n_batch, n_heads, head_size),
        }


def _trapezoid(
    C_BTHN: Tensor,
    B_BTHN: Tensor,
    x_BTHP: Tensor,
    step_BTH: Tensor,
    log_alpha_BTH: Tensor,
    blend_BTH: Tensor,
    state: dict,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence as one linear attention with two sets of heads: past and present writes.

    Both sets share queries and decay, so outputs and states add up. Folding the past write into the
    previous position's would halve the work, but would let position t see t + 1 up to rounding.
    """
    past_BTH = (1 - blend_BTH) * step_BTH * log_alpha_BTH.exp()
    present_BTH = blend_BTH * step_BTH
    B_before_BTHN = torch.cat([state["B"][:, None], B_BTHN[:, :-1]], dim=1)
    x_before_BTHP = torch.cat([state["x"][:, None], x_BTHP[:, :-1]], dim=1)
    o_BTHP, memory_BHNP = linear_attention(
        torch.cat([C_BTHN, C_BTHN], dim=2),
        torch.cat([B_before_BTHN, B_BTHN], dim=2),
        torch.cat([past_BTH[..., None] * x_before_BTHP, present_BTH[..., None] * x_BTHP], dim=2),
        log_decay=torch.cat([log_alpha_BTH, log_alpha_BTH], dim=2),
        state_BHKV=torch.cat([state["memory"], torch.zeros_like(state["memory"])], dim=1),
    )
    past_BTHP, present_BTHP = o_BTHP.chunk(2, dim=2)
    past_BHNP, present_BHNP = memory_BHNP.chunk(2, dim=1)
    return past_BTHP + present_BTHP, past_BHNP + present_BHNP


def _rotate(x_BTHN: Tensor, theta_BTHR: Tensor) -> Tensor:
    n_rotated = 2 * theta_BTHR.shape[-1]
    a_BTHR, b_BTHR = x_BTHN[..., :n_rotated].unflatten(-1, (-1, 2)).unbind(-1)
    cos_BTHR, sin_BTHR = theta_BTHR.cos(), theta_BTHR.sin()
    rotated_BTHR2 = torch.stack(
        [a_BTHR * cos_BTHR - b_BTHR * sin_BTHR, a_BTHR * sin_BTHR + b_BTHR * cos_BTHR], dim=-1
    )
    return torch.cat([rotated_BTHR2.flatten(-2), x_BTHN[..., n_rotated:]], dim=-1)
