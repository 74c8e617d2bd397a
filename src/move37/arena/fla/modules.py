"""`fla.modules`: short convolution, rotary embedding, token shift, activations; norms by import.

B batch, T time, D channels, W convolution width, H heads, K channels per head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena import kernels
from move37.arena.fla.norms import (
    FusedLayerNormGated,
    FusedLayerNormSwishGate,
    FusedRMSNormGated,
    FusedRMSNormSwishGate,
    GroupNorm,
    L2Norm,
    LayerNorm,
    RMSNorm,
    l2_norm,
    l2norm,
    layer_norm,
    rms_norm,
)
from move37.arena.fla.packing import by_sequence

__all__ = [
    "ACT2FN",
    "FusedLayerNormGated",
    "FusedLayerNormSwishGate",
    "FusedRMSNormGated",
    "FusedRMSNormSwishGate",
    "GatedMLP",
    "GroupNorm",
    "L2Norm",
    "LayerNorm",
    "RMSNorm",
    "RotaryEmbedding",
    "ShortConvolution",
    "TokenShift",
    "causal_conv1d",
    "l2_norm",
    "l2norm",
    "layer_norm",
    "logsigmoid",
    "rms_norm",
    "sigmoid",
    "silu",
    "swiglu",
    "swish",
    "token_shift",
]

silu = swish = F.silu
sigmoid = torch.sigmoid
logsigmoid = F.logsigmoid
ACT2FN = {
    "silu": F.silu,
    "swish": F.silu,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "relu": F.relu,
    "sqrelu": lambda x: F.relu(x).square(),
}


def swiglu(x: Tensor, y: Tensor) -> Tensor:
    """Return silu(x)·y."""
    return F.silu(x) * y


class ShortConvolution(nn.Conv1d):
    """Causal depthwise convolution.

    Args:
        hidden_size: channels D.
        kernel_size: taps W.
        bias: learn a shift.
        activation: `silu`, `swish` or None, applied after.
    """

    def __init__(
        self,
        hidden_size: int,
        kernel_size: int = 4,
        bias: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        activation: str | None = "silu",
        backend: str | None = "triton",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **_options: Any,
    ) -> None:
        super().__init__(
            hidden_size,
            hidden_size,
            kernel_size,
            groups=hidden_size,
            bias=bias,
            padding=kernel_size - 1,
            device=device,
            dtype=dtype,
        )
        if activation not in (None, "silu", "swish"):
            raise ValueError(f"activation must be silu, swish or None, got {activation!r}")
        self.hidden_size = hidden_size
        self.activation = activation
        self.backend = backend

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - fla's signature
        self,
        x: Tensor,
        residual: Tensor | None = None,
        mask: Tensor | None = None,
        cache: Tensor | None = None,
        output_final_state: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        cu_seqlens: Tensor | None = None,
        **_options: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Convolve (B, T, D); the cache holds the last W inputs, (sequences, D, W).

        Unlike fla's single-token path this leaves the given cache untouched: take the returned one.
        """
        if mask is not None:
            if cu_seqlens is not None:
                raise ValueError("mask and cu_seqlens cannot be given together")
            x = x * mask[:, -x.shape[1] :].unsqueeze(-1).to(x.dtype)
        return causal_conv1d(
            x,
            self.weight.squeeze(1),
            self.bias,
            residual,
            initial_state=cache,
            output_final_state=output_final_state,
            activation=self.activation,
            cu_seqlens=cu_seqlens,
        )

    @property
    def state_size(self) -> int:
        """Numbers in the cache of one sequence."""
        return self.hidden_size * self.kernel_size[0]


def causal_conv1d(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    residual: Tensor | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    activation: str | None = None,
    backend: str | None = "triton",
    cu_seqlens: Tensor | None = None,
    **_options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Convolve (B, T, D) with weight (D, W); states hold W inputs a sequence, (sequences, D, W)."""
    del backend
    if weight is None:
        raise ValueError("causal_conv1d needs a weight here")
    act = "silu" if activation in ("silu", "swish") else None
    width = weight.shape[-1]

    def convolve(x_BTD: Tensor, state_BDW: Tensor | None) -> tuple[Tensor, Tensor]:
        if state_BDW is None:
            state_BDW = x_BTD.new_zeros(len(x_BTD), x_BTD.shape[-1], width)
        y_BTD, _ = kernels.short_convolution(
            x_BTD, weight, bias, state_BDW=state_BDW[..., 1:].to(x_BTD.dtype), activation=act
        )
        seen = torch.cat([state_BDW.to(x_BTD.dtype), x_BTD.transpose(1, 2)], dim=-1)
        return y_BTD, seen[..., -width:]

    y, state = by_sequence(convolve, (x,), initial_state, cu_seqlens)
    if residual is not None:
        y = y + residual
    return y, state if output_final_state else None


class RotaryEmbedding(nn.Module):
    """Rotary position embedding of q and k (Su et al. 2021, arXiv 2104.09864).

    Args:
        dim: rotated channels per head.
        base: of the frequencies.
        interleaved: pair neighbours instead of halves.
    """

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        scale_base: float | None = None,
        interleaved: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        **_options: Any,
    ) -> None:
        super().__init__()
        if scale_base is not None:
            raise NotImplementedError("RotaryEmbedding has no scale_base here")
        self.dim = dim
        self.base = base
        self.interleaved = interleaved

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        seqlen_offset: int | Tensor = 0,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Rotate (B, T, H, K) tensors by their positions, counted from seqlen_offset."""
        del max_seqlen
        place = torch.arange(q.shape[1], device=q.device)
        if cu_seqlens is not None:
            starts = cu_seqlens[:-1].repeat_interleave(cu_seqlens.diff())
            place = place - starts
        offset = torch.as_tensor(seqlen_offset, device=q.device).reshape(-1, 1)
        place_BT = (place + offset).to(q.dtype)
        exponent = torch.arange(0, self.dim, 2, device=q.device, dtype=q.dtype) / self.dim
        angle = place_BT[..., None, None] * self.base**-exponent
        return self._rotate(q, angle), self._rotate(k, angle)

    def _rotate(self, x_BTHK: Tensor, angle: Tensor) -> Tensor:
        head, rest = x_BTHK[..., : self.dim], x_BTHK[..., self.dim :]
        if self.interleaved:
            a, b = head[..., 0::2], head[..., 1::2]
        else:
            a, b = head.chunk(2, dim=-1)
        turned = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
        if self.interleaved:
            joined = torch.stack(turned, dim=-1).flatten(-2)
        else:
            joined = torch.cat(turned, dim=-1)
        return torch.cat([joined, rest], dim=-1)


def token_shift(
    x: Tensor,
    cu_seqlens: Tensor | None = None,
    cache: Tensor | None = None,
    output_cache: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    **_options: Any,
) -> Any:
    """Return the difference between each position's predecessor and itself (RWKV)."""

    def shift(x_BTD: Tensor, last_BD: Tensor | None) -> tuple[Tensor, Tensor]:
        first = torch.zeros_like(x_BTD[:, :1]) if last_BD is None else last_BD.unsqueeze(1)
        return torch.cat([first, x_BTD[:, :-1]], dim=1) - x_BTD, x_BTD[:, -1]

    delta, last = by_sequence(shift, (x,), cache, cu_seqlens)
    return (delta, last) if output_cache else delta


class TokenShift(nn.Module):
    """`token_shift` as a module."""

    def forward(self, x: Tensor, **options: Any) -> Any:
        """Return the difference to the predecessor."""
        return token_shift(x, **options)


class GatedMLP(nn.Module):
    """SwiGLU feed-forward part.

    Args:
        hidden_size: channels.
        hidden_ratio: width in units of 2/3·hidden_size, rounded up to 256, when no size is given.
        intermediate_size: width.
    """

    def __init__(
        self,
        hidden_size: int,
        hidden_ratio: int | None = 4,
        intermediate_size: int | None = None,
        hidden_act: str = "swish",
        **_options: Any,
    ) -> None:
        super().__init__()
        if hidden_act not in ("swish", "silu"):
            raise ValueError(f"hidden_act must be swish, got {hidden_act!r}")
        if intermediate_size is None:
            wanted = int(hidden_size * (hidden_ratio or 4) * 2 / 3)
            intermediate_size = 256 * ((wanted + 255) // 256)
        self.gate_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.up_proj = nn.Linear(hidden_size, intermediate_size, bias=False)
        self.down_proj = nn.Linear(intermediate_size, hidden_size, bias=False)

    def forward(self, x: Tensor, **_options: Any) -> Tensor:
        """Mix channels."""
        return self.down_proj(swiglu(self.gate_proj(x), self.up_proj(x)))
