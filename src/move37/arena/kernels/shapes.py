"""Checks of argument shapes; each message names both shapes.

B batch, T time, H heads, K key dim, V value dim.
"""

from __future__ import annotations

from torch import Tensor

from move37.core.errors import ShapeError


def check_shape(name: str, x: Tensor, shape: tuple[int, ...], because: str) -> None:
    """Raise ShapeError unless x has this shape; `because` names the argument that fixes it."""
    if tuple(x.shape) != shape:
        raise ShapeError(f"{name} must be {shape} to fit {because}, got {tuple(x.shape)}")


def check_qkv(q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, state_BHKV: Tensor | None) -> None:
    """Check what every key-value memory takes.

    Raises:
        ShapeError: not four axes, no time, or axes that differ.
    """
    if q_BTHK.ndim != 4 or q_BTHK.shape[1] < 1:
        raise ShapeError(f"q must be (B, T, H, K) with T >= 1, got {tuple(q_BTHK.shape)}")
    n_batch, n_time, n_heads, key_dim = q_BTHK.shape
    q_shape = f"q {tuple(q_BTHK.shape)}"
    check_shape("k", k_BTHK, tuple(q_BTHK.shape), q_shape)
    value_dim = v_BTHV.shape[-1]
    check_shape("v", v_BTHV, (n_batch, n_time, n_heads, value_dim), q_shape)
    if state_BHKV is not None:
        because = f"{q_shape} and v {tuple(v_BTHV.shape)}"
        check_shape("state", state_BHKV, (n_batch, n_heads, key_dim, value_dim), because)


def check_log_decay(log_decay: Tensor | None, k_BTHK: Tensor, *, ndims: tuple[int, ...]) -> None:
    """Check a log decay that may be (H,), (B, T, H) or (B, T, H, K), as far as `ndims` allows.

    Raises:
        ShapeError: another number of axes, or axes that differ from those of k.
    """
    if log_decay is None:
        return
    shapes = {1: k_BTHK.shape[2:3], 3: k_BTHK.shape[:3], 4: k_BTHK.shape}
    if log_decay.ndim not in ndims:
        allowed = " or ".join(str(tuple(shapes[n])) for n in ndims)
        raise ShapeError(
            f"log_decay must be {allowed} to fit k {tuple(k_BTHK.shape)}, "
            f"got {tuple(log_decay.shape)}"
        )
    check_shape("log_decay", log_decay, tuple(shapes[log_decay.ndim]), f"k {tuple(k_BTHK.shape)}")
