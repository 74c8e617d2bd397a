"""Every kernel as the plain loop it stands for: slow, obvious, and what the fast forms must equal.

For tests and for reading; candidates use the fast forms of `move37.arena.kernels`, which have the
same names and the same arguments. Arithmetic runs in the dtype of the inputs.

B batch, T time, H heads, K key dim, V value dim, D channels, W convolution width, P head size,
N state size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def short_convolution(
    x_BTD: Tensor,
    weight_DW: Tensor,
    bias_D: Tensor | None = None,
    *,
    state_BDW: Tensor | None = None,
    activation: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Weigh each position with the W-1 before it, channel by channel."""
    n_batch, n_time, n_channels = x_BTD.shape
    width = weight_DW.shape[1]
    past = x_BTD.new_zeros(n_batch, n_channels, width - 1) if state_BDW is None else state_BDW
    window_BDW = torch.cat([x_BTD.new_zeros(n_batch, n_channels, 1), past], dim=-1)
    outputs = []
    for t in range(n_time):
        window_BDW = torch.cat([window_BDW[..., 1:], x_BTD[:, t, :, None]], dim=-1)
        y_BD = (window_BDW * weight_DW).sum(-1)
        outputs.append(y_BD if bias_D is None else y_BD + bias_D)
    y_BTD = torch.stack(outputs, dim=1)
    return (F.silu(y_BTD) if activation == "silu" else y_BTD), window_BDW[..., 1:]


def linear_attention(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    *,
    log_decay: Tensor | None = None,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T and o_t = scale * S_t^T q_t."""
    state, outputs = _start(k_BTHK, v_BTHV, state_BHKV), []
    decay_BTHK = _decay_per_channel(log_decay, k_BTHK)
    for t in range(q_BTHK.shape[1]):
        state = decay_BTHK[:, t, :, :, None] * state + _outer(k_BTHK[:, t], v_BTHV[:, t])
        outputs.append(scale * _read(state, q_BTHK[:, t]))
    return torch.stack(outputs, dim=1), state


def delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T and o_t = scale * S_t^T q_t."""
    return gated_delta_rule(
        q_BTHK,
        k_BTHK,
        v_BTHV,
        beta_BTH,
        torch.zeros_like(beta_BTH),
        state_BHKV=state_BHKV,
        scale=scale,
    )


def gated_delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    beta_BTH: Tensor,
    log_decay: Tensor,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """S_t = (I - beta_t k_t k_t^T) diag(exp(g_t)) S_{t-1} + beta_t k_t v_t^T."""
    state, outputs = _start(k_BTHK, v_BTHV, state_BHKV), []
    decay_BTHK = _decay_per_channel(log_decay, k_BTHK)
    for t in range(q_BTHK.shape[1]):
        state = decay_BTHK[:, t, :, :, None] * state
        error_BHV = v_BTHV[:, t] - _read(state, k_BTHK[:, t])
        state = state + _outer(k_BTHK[:, t], beta_BTH[:, t, :, None] * error_BHV)
        outputs.append(scale * _read(state, q_BTHK[:, t]))
    return torch.stack(outputs, dim=1), state


def dplr_delta_rule(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    a_BTHK: Tensor,
    b_BTHK: Tensor,
    log_decay: Tensor | None,
    *,
    state_BHKV: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """S_t = (diag(exp(g_t)) + a_t b_t^T) S_{t-1} + k_t v_t^T and o_t = scale * S_t^T q_t."""
    state, outputs = _start(k_BTHK, v_BTHV, state_BHKV), []
    decay_BTHK = _decay_per_channel(log_decay, k_BTHK)
    for t in range(q_BTHK.shape[1]):
        low_rank = _outer(a_BTHK[:, t], _read(state, b_BTHK[:, t]))
        kept = decay_BTHK[:, t, :, :, None] * state
        state = kept + low_rank + _outer(k_BTHK[:, t], v_BTHV[:, t])
        outputs.append(scale * _read(state, q_BTHK[:, t]))
    return torch.stack(outputs, dim=1), state


def state_space_dual(
    x_BTHP: Tensor,
    dt_BTH: Tensor,
    A_H: Tensor,
    B_BTHN: Tensor,
    C_BTHN: Tensor,
    *,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """h_t = exp(dt_t A) h_{t-1} + B_t (dt_t x_t)^T and y_t = h_t^T C_t."""
    state, outputs = _start(B_BTHN, x_BTHP, state), []
    for t in range(x_BTHP.shape[1]):
        decay_BH11 = (dt_BTH[:, t] * A_H).exp()[..., None, None]
        write = _outer(B_BTHN[:, t], dt_BTH[:, t, :, None] * x_BTHP[:, t])
        state = decay_BH11 * state + write
        outputs.append(_read(state, C_BTHN[:, t]))
    return torch.stack(outputs, dim=1), state


def associative_scan(
    x_BTD: Tensor, log_decay_BTD: Tensor, *, state_BD: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """h_t = exp(g_t) h_{t-1} + x_t, element by element."""
    state = torch.zeros_like(x_BTD[:, 0]) if state_BD is None else state_BD
    outputs = []
    for t in range(x_BTD.shape[1]):
        state = log_decay_BTD[:, t].exp() * state + x_BTD[:, t]
        outputs.append(state)
    return torch.stack(outputs, dim=1), state


def _start(k_BTHK: Tensor, v_BTHV: Tensor, state_BHKV: Tensor | None) -> Tensor:
    if state_BHKV is not None:
        return state_BHKV
    n_batch, _, n_heads, key_dim = k_BTHK.shape
    return k_BTHK.new_zeros(n_batch, n_heads, key_dim, v_BTHV.shape[-1])


def _decay_per_channel(log_decay: Tensor | None, k_BTHK: Tensor) -> Tensor:
    """Return exp(log_decay) as (B, T, H, K), from any of the accepted shapes."""
    if log_decay is None:
        return torch.ones_like(k_BTHK)
    decay = log_decay.exp()
    if decay.ndim < 4:
        decay = decay[..., None]
    return decay.expand_as(k_BTHK)


def _outer(k_BHK: Tensor, v_BHV: Tensor) -> Tensor:
    return k_BHK[..., :, None] * v_BHV[..., None, :]


def _read(state_BHKV: Tensor, q_BHK: Tensor) -> Tensor:
    return (q_BHK[..., None] * state_BHKV).sum(-2)
