"""Which implementation a call uses: fla's kernels on CUDA, the torch form everywhere else.

fla (the package flash-linear-attention) is used when the tensors are on CUDA, it is installed, the
call computes in half precision (its kernels refuse or lose float32), and the sizes are ones its
kernels are made for. Everything else, every CPU call among it, uses the torch form.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator

import torch
from torch import Tensor

MIN_FLA_TIME = 64  # one chunk of fla's; shorter calls are decoding, not training
FLA_WIDTHS = range(16, 257)  # tensor cores need 16; the delta kernels refuse keys above 256
HALF = (torch.bfloat16, torch.float16)

_FLA_INSTALLED = importlib.util.find_spec("fla") is not None
_torch_only_depth = [0]


@contextlib.contextmanager
def torch_only() -> Iterator[None]:
    """Use the torch form on every device within the block: for comparisons."""
    _torch_only_depth[0] += 1
    try:
        yield
    finally:
        _torch_only_depth[0] -= 1


def has_fla() -> bool:
    """Say whether fla is installed. Nothing of it is imported."""
    return _FLA_INSTALLED


def fla_dtype(q_BTHK: Tensor, v_BTHV: Tensor) -> torch.dtype | None:
    """Return the dtype in which fla shall compute this call, or None for the torch form."""
    if not q_BTHK.is_cuda or _torch_only_depth[0] or not has_fla():
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
