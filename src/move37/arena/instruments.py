"""Torch modes through which the probe child looks at a layer: precision, device and cost.

None of them changes what an honest layer computes, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

NARROW = frozenset({torch.bfloat16, torch.float16})
CASTS: dict[Callable, torch.dtype] = {
    Tensor.float: torch.float32,
    Tensor.half: torch.float16,
    Tensor.bfloat16: torch.bfloat16,
}
FACTORIES = frozenset(
    {
        torch.zeros,
        torch.ones,
        torch.full,
        torch.empty,
        torch.arange,
        torch.linspace,
        torch.eye,
        torch.rand,
        torch.randn,
        torch.tensor,
        torch.randint,
        torch.tril_indices,
        torch.triu_indices,
    }
)


REDUCTIONS = frozenset(
    {
        "all",
        "amax",
        "amin",
        "any",
        "argmax",
        "argmin",
        "count_nonzero",
        "dot",
        "linalg_vector_norm",
        "logsumexp",
        "max",
        "mean",
        "median",
        "min",
        "mv",
        "nansum",
        "norm",
        "prod",
        "std",
        "std_mean",
        "sum",
        "var",
        "var_mean",
    }
)
"""Operations that read more than they write."""


class WorkingDtype(TorchFunctionMode):
    """Turn casts to a narrower float type than the input's into casts to the input's.

    A CPU has no bfloat16 worth using, and a law checked in float64 must not drown in the rounding
    of a `.float()` in the middle. Casts that widen stay.

    Args:
        dtype: float32 or float64: the dtype of the input.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.replaces = NARROW | ({torch.float32} if dtype is torch.float64 else frozenset())
        self.replaced: set[torch.dtype] = set()
        """Narrow dtypes that were asked for."""

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Rewrite dtype arguments, then call."""
        del types
        kwargs = kwargs or {}
        if func in CASTS and CASTS[func] in self.replaces:
            self._note(CASTS[func])
            return args[0].to(self.dtype)
        if any(isinstance(a, torch.dtype) for a in args):
            args = tuple(self._map(a) for a in args)
        if isinstance(kwargs.get("dtype"), torch.dtype):
            kwargs = {**kwargs, "dtype": self._map(kwargs["dtype"])}
        return func(*args, **kwargs)

    def _map(self, value: Any) -> Any:
        if isinstance(value, torch.dtype) and value in self.replaces:
            self._note(value)
            return self.dtype
        return value

    def _note(self, dtype: torch.dtype) -> None:
        if dtype in NARROW:
            self.replaced.add(dtype)


class ForeignDevice(TorchFunctionMode):
    """Create whatever names no device of its input on another one (meta).

    A layer that writes `torch.zeros(T)` where it means `torch.zeros(T, device=x.device)` then fails
    here as it would on a GPU, with a complaint about two devices. Scalars may live anywhere.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Move the result of a factory without a device to meta."""
        del types
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if (
            func in FACTORIES
            and isinstance(kwargs.get("device"), str | None)
            and isinstance(result, Tensor)
            and result.ndim > 0
        ):
            return result.to("meta")
        return result


class CostMeter(TorchDispatchMode):
    """Count the work below the level of torch functions.

    `flops` counts matrix products and convolutions by torch's formulas, and one operation for each
    element that any other operation writes or reduces (n log n for a transform). `largest_bytes` is
    the largest tensor that came into being.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0
        self.largest_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count it."""
        del types
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket  # noqa: SLF001 - the key of torch's own registry
        if packet in flop_registry:
            self.flops += float(flop_registry[packet](*args, **kwargs, out_val=out))
        elif "attention" in packet.__name__:
            self.flops += _attention_flops(args)
        elif not _is_view(func):
            self.flops += _elements(func, args, out)
        if not _is_view(func):
            for tensor in _tensors(out):
                n_bytes = tensor.numel() * tensor.element_size()
                self.largest_bytes = max(self.largest_bytes, n_bytes)
        return out


def _is_view(func: Any) -> bool:
    returns = func._schema.returns  # noqa: SLF001 - the only place that says what aliases what
    return any(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def _tensors(out: Any) -> list[Tensor]:
    if isinstance(out, Tensor):
        return [out]
    if isinstance(out, tuple | list):
        return [tensor for tensor in out if isinstance(tensor, Tensor)]
    return []


def _elements(func: Any, args: Any, out: Any) -> float:
    n = float(sum(tensor.numel() for tensor in _tensors(out)))
    if func.__name__.partition(".")[0] in REDUCTIONS and isinstance(args[0], Tensor):
        return max(n, float(args[0].numel()))
    if "fft" in func.__name__ or "sort" in func.__name__:
        longest = max((size for tensor in _tensors(out) for size in tensor.shape), default=2)
        return n * math.log2(max(2, longest))
    return n


def _attention_flops(args: Any) -> float:
    """Two products of queries x keys x channels, for kernels torch has no formula for."""
    q_BHTK, k_BHTK = args[0], args[1]
    return 4.0 * q_BHTK.numel() * k_BHTK.shape[-2]
