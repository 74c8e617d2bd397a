"""What may enter a mean: finite numbers only. Everything else is refused with a message."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from move37.core.errors import Move37Error


class EvidenceError(Move37Error, ValueError):
    """Numbers from which no claim can be computed (not finite, no pair, two results for a seed)."""


def finite_array(values: Iterable[float], what: str) -> np.ndarray:
    """Return the values as a float64 vector.

    Raises:
        EvidenceError: a value is NaN or infinite. Such a trial is `Outcome.DIVERGED`, not a number.
    """
    array = np.asarray(list(values), dtype=np.float64)
    if array.ndim != 1:
        raise EvidenceError(f"{what} must be a plain list of numbers, got shape {array.shape}")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][0]
        raise EvidenceError(
            f"{what} must be finite, got {bad}; a run without a finite metric is an Outcome"
        )
    return array


def finite_number(value: float, what: str) -> float:
    """Return the value, or raise EvidenceError if it is NaN or infinite."""
    if not math.isfinite(value):
        raise EvidenceError(f"{what} must be finite, got {value}")
    return float(value)


def positive_number(value: float, what: str) -> float:
    """Return the value, or raise EvidenceError if it is not finite and > 0."""
    if not (math.isfinite(value) and value > 0):
        raise EvidenceError(f"{what} must be finite and > 0, got {value}")
    return float(value)


def probability(value: float, what: str) -> float:
    """Return the value, or raise EvidenceError if it is not strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise EvidenceError(f"{what} must lie strictly between 0 and 1, got {value}")
    return float(value)
