"""Which implementation a call uses: the torch form, or fla's kernels on CUDA where asked for.

fla (the package flash-linear-attention) is used within `using_fla` when the tensors are on CUDA,
the call computes in half precision (its kernels refuse or lose float32), and the sizes are ones its
kernels are made for. Everything else, every CPU call among it, uses the torch form.

Not by default: a new process tunes fla's kernels for the better part of a minute per recurrence,
and whether they run at all depends on the versions of Triton and fla (docs/log.md, 2026-11-26).
"""

from __future__ import annotations

import contextlib
import importlib.machinery
from collections.abc import Iterator

import torch
from torch import Tensor

from move37.arena.kernels import cuda

MIN_FLA_TIME = 64  # one chunk of fla's; shorter calls are decoding, not training
FLA_WIDTHS = range(16, 257)  # tensor cores need 16; the delta kernels refuse keys above 256
HALF = (torch.bfloat16, torch.float16)

_FLA_INSTALLED = importlib.machinery.PathFinder.find_spec("fla") is not None  # not our stand-in
_fla_depth = [0]


@contextlib.contextmanager
def using_fla() -> Iterator[None]:
    """Use fla's kernels within the block wherever they apply.

    Raises:
        ModuleNotFoundError: fla is not installed.
    """
    cuda.prepare()
    _fla_depth[0] += 1
    try:
        yield
    finally:
        _fla_depth[0] -= 1


def has_fla() -> bool:
    """Say whether fla is installed. Nothing of it is imported."""
    return _FLA_INSTALLED


def fla_dtype(q_BTHK: Tensor, v_BTHV: Tensor) -> torch.dtype | None:
    """Return the dtype in which fla shall compute this call, or None for the torch form."""
    if not (_fla_depth[0] and q_BTHK.is_cuda):
        return None
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else q_BTHK.dtype
    fits = q_BTHK.shape[-1] in FLA_WIDTHS and v_BTHV.shape[-1] in FLA_WIDTHS
    return dtype if dtype in HALF and fits and q_BTHK.shape[1] >= MIN_FLA_TIME else None


def full_precision(x: Tensor) -> contextlib.AbstractContextManager[object]:
    """Return a context in which autocast leaves the arithmetic of a torch form alone."""
    device = x.device.type
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return contextlib.nullcontext()


def computing_dtype(*tensors: Tensor | None) -> torch.dtype:
    """Return the widest dtype of the tensors, float32 at least."""
    dtype = torch.float32
    for x in tensors:
        if x is not None:
            dtype = torch.promote_types(dtype, x.dtype)
    return dtype
