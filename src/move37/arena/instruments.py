"""Torch modes through which the probe child looks at a layer: precision, device and cost.

None of them changes what an honest layer computes, but for rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
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
        torch.randperm,
        torch.tril_indices,
        torch.triu_indices,
        torch.logspace,
        torch.as_tensor,
        torch.hann_window,
        torch.hamming_window,
        torch.blackman_window,
        torch.fft.fftfreq,
        torch.fft.rfftfreq,
    }
)
MOVES = frozenset({"to", "type_as", "cpu"})
"""They say where the result lives."""
MIXES = frozenset({"__getitem__", "__setitem__", "copy_", "expand_as", "view_as", "reshape_as"})
"""They may read a tensor of another device; the result lives where the first one does."""
_MARK = "_move37_is_foreign"

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
    """Pretend that whatever names no device of its input lives on another one.

    A layer that writes `torch.zeros(T)` where it means `torch.zeros(T, device=x.device)` then fails
    here as it would on a GPU, with a complaint about two devices. Such tensors only carry a mark:
    to move them to the input, to read their numbers and to index with them works, as on a GPU.
    Scalars may live anywhere.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Say where the result lives, or that two devices meet."""
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        copies = func in (torch.tensor, torch.as_tensor) and args and isinstance(args[0], Tensor)
        if func in FACTORIES and not copies:
            foreign = isinstance(kwargs.get("device"), str | None)
        elif name in MOVES:
            foreign = _moves_away(name, args, kwargs)
        elif name in MIXES:
            foreign = is_foreign(args[0])
        else:
            foreign = _all_foreign(name, [*_nested(args), *_nested(kwargs)])
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            return _marked(result, foreign=foreign)
        for tensor in _tensors(result) if foreign else ():
            setattr(tensor, _MARK, True)
        return result


def is_foreign(value: Any) -> bool:
    """Tell whether ForeignDevice takes this to be a tensor on another device."""
    return isinstance(value, Tensor) and getattr(value, _MARK, False)


def mark_left_behind(module: nn.Module) -> None:
    """Mark tensors that `module.to(device)` would not move: neither parameter nor buffer."""
    moved = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    for part in module.modules():
        for value in vars(part).values():
            for tensor in _tensors(value):
                if id(tensor) not in moved:
                    setattr(tensor, _MARK, True)


def _moves_away(name: str, args: Any, kwargs: dict[str, Any]) -> bool:
    targets = [*args[1:], *kwargs.values()]
    for target in targets:
        if isinstance(target, Tensor):
            return is_foreign(target)
        if isinstance(target, str | torch.device):
            return isinstance(target, str)  # by name: not where the input happens to live
    return name == "cpu" or is_foreign(args[0])


def _all_foreign(name: str, tensors: list[Tensor]) -> bool:
    """Tell where an operation on these tensors runs.

    Raises:
        RuntimeError: on two devices.
    """
    foreign = [tensor for tensor in tensors if is_foreign(tensor)]
    n_here = sum(tensor.ndim > 0 for tensor in tensors if not is_foreign(tensor))
    if n_here and any(tensor.ndim > 0 for tensor in foreign):
        raise RuntimeError(
            f"expected all tensors on the same device, but {name} got one on another: it was made "
            "without device=x.device, moved by name, or is neither parameter nor buffer"
        )
    return bool(foreign) and not n_here


def _marked(result: Tensor, *, foreign: bool) -> Tensor:
    """Return the result with this mark; another object where it is one that goes on as it was."""
    if is_foreign(result) != foreign:
        result = result.view_as(result)
        setattr(result, _MARK, foreign)
    return result


def _nested(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in _nested(part)]
    return []


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
