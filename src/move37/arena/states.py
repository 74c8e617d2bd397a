"""A mixer's state on the wire: a nested structure as JSON, its tensors as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

MAX_LEAVES = 512
MAX_DEPTH = 16
WIRE_DTYPES = frozenset(
    {
        torch.float32,
        torch.float64,
        torch.int32,
        torch.int64,
        torch.uint8,
        torch.bool,
    }
)


class StateError(TypeError):
    """A state that cannot be carried: not a nest of tensors, or too large a nest."""


def pack(state: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return (structure, arrays): JSON whose leaves name arrays, and the arrays.

    Containers are dict (with string keys), tuple and list; leaves are tensors and None.

    Raises:
        StateError: anything else, more than MAX_LEAVES leaves, deeper than MAX_DEPTH.
    """
    arrays: dict[str, np.ndarray] = {}
    return _pack(state, arrays, "state", 0), arrays


def _pack(node: Any, arrays: dict[str, np.ndarray], path: str, depth: int) -> Any:
    if depth > MAX_DEPTH or len(arrays) > MAX_LEAVES:
        raise StateError(f"state has more than {MAX_LEAVES} leaves or {MAX_DEPTH} levels")
    if node is None:
        return None
    if isinstance(node, Tensor):
        name = f"s{len(arrays)}"
        arrays[name], dtype = to_array(node)
        return {"tensor": name, "dtype": dtype, "path": path}
    if isinstance(node, dict):
        items = [
            [str(key), _pack(value, arrays, f"{path}[{key!r}]", depth + 1)]
            for key, value in node.items()
        ]
        return {"dict": items}
    if isinstance(node, tuple | list):
        items = [_pack(value, arrays, f"{path}[{i}]", depth + 1) for i, value in enumerate(node)]
        return {"tuple" if isinstance(node, tuple) else "list": items}
    raise StateError(
        f"{path} is a {type(node).__name__}; a state is a nest of dict, tuple, list with tensors "
        "of shape (B, ...) or None (a position counter, say, is a tensor of shape (B,))"
    )


def unpack(structure: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Rebuild the state that `pack` took apart."""
    match structure:
        case None:
            return None
        case {"tensor": name, "dtype": dtype}:
            return from_array(arrays[name], dtype)
        case {"dict": items}:
            return {key: unpack(node, arrays) for key, node in items}
        case {"tuple": items}:
            return tuple(unpack(node, arrays) for node in items)
        case {"list": items}:
            return [unpack(node, arrays) for node in items]
    raise StateError(f"not a packed state: {structure!r:.200}")


def to_array(tensor: Tensor) -> tuple[np.ndarray, str]:
    """Return the tensor as an array the wire carries, and the name of its own dtype."""
    tensor = tensor.detach().cpu()
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype.is_complex:
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.dtype not in WIRE_DTYPES:
        tensor = tensor.to(torch.float32 if tensor.dtype.is_floating_point else torch.int64)
    # a copy: the candidate may write into the tensor later
    return tensor.contiguous().numpy().copy(), dtype


def from_array(array: np.ndarray, dtype: str) -> Tensor:
    """Return the tensor that `to_array` turned into this array."""
    tensor = torch.from_numpy(array.copy())
    target = getattr(torch, dtype)
    if target.is_complex:
        return torch.view_as_complex(tensor).to(target)
    return tensor.to(target)
