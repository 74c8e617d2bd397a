"""Hand-written gradients: they exist once, and asking for a second derivative is an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def first_derivative(backward: Callable[..., Result]) -> Callable[..., Result]:
    """Mark a `Function.backward` whose own derivative would be wrong (it saves intermediates).

    torch's once_differentiable lets a graph with other paths through it differentiate twice, and
    silently leaves out a part.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *gradients: Any) -> Result:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "move37 kernels have first derivatives only: call backward without create_graph, "
                "or build on move37.arena.kernels.reference"
            )
        return backward(ctx, *gradients)

    return once
