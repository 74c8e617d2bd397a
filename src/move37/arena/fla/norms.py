"""`fla.modules`, the norms: plain, gated, grouped."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from move37.arena import kernels

GATES = {"swish": F.silu, "silu": F.silu, "sigmoid": torch.sigmoid}


def l2norm(x: Tensor, eps: float = 1e-6, output_dtype: torch.dtype | None = None) -> Tensor:
    """Scale the last axis to length one."""
    y = kernels.l2_norm(x, eps=eps)
    return y if output_dtype is None else y.to(output_dtype)


l2_norm = l2norm


class L2Norm(nn.Module):
    """`l2norm` as a module."""

    def __init__(self, eps: float = 1e-6, output_dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.eps = eps
        self.output_dtype = output_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last axis to length one."""
        return l2norm(x, self.eps, self.output_dtype)


def rms_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Root-mean-square norm of the last axis."""
    y = kernels.rms_norm(x, weight, eps=eps)
    return y if bias is None else y + bias


def layer_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Layer norm of the last axis."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)


class LayerNorm(nn.Module):
    """Norm with optional residual: `prenorm` also returns the sum that was normalised.

    Args:
        hidden_size: channels.
        elementwise_affine: learn a scale.
        bias: learn a shift.
        eps: under the root.
    """

    normalise = staticmethod(layer_norm)
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        hidden_size: int,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002 - fla's signature
        bias: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        eps: float = 1e-5,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **_options: Any,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.eps = eps
        ones = torch.ones(hidden_size, device=device, dtype=dtype)
        self.register_parameter("weight", nn.Parameter(ones) if elementwise_affine else None)
        zeros = torch.zeros(hidden_size, device=device, dtype=dtype)
        self.register_parameter("bias", nn.Parameter(zeros) if bias else None)

    def forward(
        self,
        x: Tensor,
        residual: Tensor | None = None,
        residual_in_fp32: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        prenorm: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    ) -> Any:
        """Normalise x (plus residual)."""
        total = x if residual is None else x + residual
        if residual_in_fp32 and total.dtype in (torch.float16, torch.bfloat16):
            total = total.float()
        y = self.normalise(total, self.weight, self.bias, self.eps).to(x.dtype)
        return (y, total) if prenorm else y


class RMSNorm(LayerNorm):
    """Root-mean-square norm; arguments as for LayerNorm."""

    normalise = staticmethod(rms_norm)


class GroupNorm(nn.Module):
    """Norm within each of `num_groups` groups of channels; over channels only, never over time."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        hidden_size: int,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002 - fla's signature
        bias: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        eps: float = 1e-5,
        is_rms_norm: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        **_options: Any,
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.eps = eps
        self.is_rms_norm = is_rms_norm
        weight = nn.Parameter(torch.ones(hidden_size)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.register_parameter("bias", nn.Parameter(torch.zeros(hidden_size)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x."""
        grouped = x.unflatten(-1, (self.num_groups, -1))
        norm = rms_norm if self.is_rms_norm else layer_norm
        y = norm(grouped, eps=self.eps).flatten(-2)
        if self.weight is not None:
            y = y * self.weight
        return y if self.bias is None else y + self.bias


class FusedLayerNormGated(nn.Module):
    """norm(x)·weight·activation(gate).

    Args:
        hidden_size: channels.
        elementwise_affine: learn a scale.
        eps: under the root.
        activation: `swish`, `silu` or `sigmoid`, of the gate.
    """

    normalise = staticmethod(layer_norm)
    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        hidden_size: int,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002 - fla's signature
        eps: float = 1e-5,
        activation: str = "swish",
        device: Any = None,
        dtype: torch.dtype | None = None,
        **_options: Any,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.eps = eps
        if activation not in GATES:
            raise ValueError(f"activation must be swish, silu or sigmoid, got {activation!r}")
        self.activation = GATES[activation]
        ones = torch.ones(hidden_size, device=device, dtype=dtype)
        self.register_parameter("weight", nn.Parameter(ones) if elementwise_affine else None)
        self.register_parameter("bias", None)

    def forward(
        self,
        x: Tensor,
        g: Tensor,
        residual: Tensor | None = None,
        residual_in_fp32: bool = False,  # noqa: FBT001, FBT002 - fla's signature
        prenorm: bool = False,  # noqa: FBT001, FBT002 - fla's signature
    ) -> Any:
        """Normalise x (plus residual) and gate it with g."""
        total = x if residual is None else x + residual
        if residual_in_fp32 and total.dtype in (torch.float16, torch.bfloat16):
            total = total.float()
        y = self.normalise(total, self.weight, None, self.eps) * self.activation(g)
        return (y.to(x.dtype), total) if prenorm else y.to(x.dtype)


class FusedRMSNormGated(FusedLayerNormGated):
    """Root-mean-square norm with gate; arguments as for FusedLayerNormGated."""

    normalise = staticmethod(rms_norm)


FusedLayerNormSwishGate = FusedLayerNormGated
FusedRMSNormSwishGate = FusedRMSNormGated
