"""The few names of transformers that fla layers import; loading transformers takes seconds."""

from __future__ import annotations

import logging as _logging
from types import SimpleNamespace
from typing import Any, Unpack

import torch.nn.functional as F
from torch import nn

from move37.arena.fla.cache import Cache

__all__ = [
    "ACT2FN",
    "Cache",
    "DynamicCache",
    "PreTrainedModel",
    "PretrainedConfig",
    "Unpack",
    "logging",
]

DynamicCache = Cache
PreTrainedModel = nn.Module
logging = SimpleNamespace(get_logger=_logging.getLogger)
ACT2FN = {
    "silu": F.silu,
    "swish": F.silu,
    "gelu": F.gelu,
    "relu": F.relu,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
}


class PretrainedConfig:
    """Keyword arguments as attributes."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)
