"""`fla.utils`: decorators and facts that mean nothing on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = [
    "autocast_custom_bwd",
    "autocast_custom_fwd",
    "check_shared_mem",
    "checkpoint",
    "contiguous",
    "device",
    "device_platform",
    "input_guard",
    "is_amd",
    "is_intel",
    "is_nvidia",
    "require_version",
    "tensor_cache",
]

device = "cuda" if torch.cuda.is_available() else "cpu"
device_platform = device
is_amd = is_intel = is_nvidia = False


def _as_it_is(function: Any = None, *_positions: Any, **_options: Any) -> Any:
    """Decorate with nothing, called with or without arguments."""
    return function if callable(function) else (lambda later: later)


autocast_custom_fwd = autocast_custom_bwd = input_guard = contiguous = _as_it_is
tensor_cache = checkpoint = _as_it_is


def require_version(_version: str, _hint: str) -> Callable[[Any], Any]:
    """Accept any version."""
    return lambda function: function


def check_shared_mem(*_positions: Any, **_options: Any) -> bool:
    """Answer no: there is no shared memory of a GPU."""
    return False
