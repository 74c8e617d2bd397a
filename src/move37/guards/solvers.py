"""Scripted solvers: accuracy over effort is known, so every figure of the guards can be checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from move37.guards.trend import rising_root

SPREAD = 1.5
"""Standard deviation of item difficulty, in logits."""

CURVES: dict[str, tuple[float, ...]] = {
    "flat .80": (0.8,) * 5,
    "flat .95": (0.95,) * 5,
    "rising .50 to .80": (0.5, 0.575, 0.65, 0.725, 0.8),
    "falling .95 to .85": (0.95, 0.925, 0.9, 0.875, 0.85),
    "falling .99 to .85": (0.99, 0.955, 0.92, 0.885, 0.85),
    "falling .90 to .70": (0.9, 0.85, 0.8, 0.75, 0.7),
    "falling .70 to .30": (0.7, 0.6, 0.5, 0.4, 0.3),
    "peak at the middle": (0.6, 0.75, 0.8, 0.7, 0.55),
    "cliff at the end": (0.9, 0.9, 0.9, 0.9, 0.7),
}
"""Accuracy at five efforts, averaged over items."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def intercept(accuracy: float, spread: float = SPREAD) -> float:
    """Return the logit at which items of this spread are right with this accuracy on average."""

    def excess(logit: float) -> float:
        return float(_WEIGHTS @ _sigmoid(logit + spread * _NODES)) - accuracy

    return rising_root(excess, -20.0, 20.0)


def answers(
    curve: Sequence[float], n_items: int, *, rng: np.random.Generator, n_sweeps: int = 1
) -> NDArray[np.float64]:
    """Return a solver's outcomes, sweeps by items by efforts; an item is as hard at all efforts."""
    logits_L = np.array([intercept(a) for a in curve])
    difficulty = SPREAD * rng.standard_normal((n_sweeps, n_items, 1))
    right = rng.random((n_sweeps, n_items, len(curve))) < _sigmoid(logits_L + difficulty)
    return right.astype(np.float64)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))
