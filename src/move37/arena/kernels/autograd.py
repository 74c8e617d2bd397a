"""Hand-written gradients: they exist once, and asking for a second derivative is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch.autograd.function import once_differentiable

Result = TypeVar("Result")


def first_derivative(backward: Callable[..., Result]) -> Callable[..., Result]:
    """Mark a `Function.backward` whose own derivative would be wrong (it saves intermediates)."""
    return once_differentiable(backward)
