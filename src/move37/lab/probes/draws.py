"""Inputs and weights the probes use, and how far two outputs differ. All seeded, all on the host.

B batch, T time, D model channels.
"""

from __future__ import annotations

import numpy as np

JITTER = 0.5  # in units of 1/sqrt(fan-in): comparable with the initial weights themselves
VECTOR_JITTER = 0.3  # assumed: moves decays, biases and gates, without leaving their usual range
OPENING = 4.0  # a sigmoid gate that starts at -4 (1.8 %) ends at one half
QUIET = 1e-3  # positions quieter than this share of the whole are measured against the whole
WORST = 1e9  # stands for "not even finite"


def inputs(n_rows: int, length: int, d_model: int, *, seed: int = 0) -> np.ndarray:
    """Return x_BTD of standard normals; the same seed gives the same beginning at any length."""
    rows = [
        np.random.default_rng([seed, row]).standard_normal((length, d_model))
        for row in range(n_rows)
    ]
    return np.stack(rows)


def jittered(
    weights: dict[str, np.ndarray], parameters: list[str], *, vectors: float = 0.0
) -> dict[str, np.ndarray]:
    """Return weights moved away from their initial values, so that gates closed then are open.

    Args:
        weights: a state dict; buffers stay.
        parameters: the names to move.
        vectors: added to every parameter with fewer than two axes, beside its jitter.
    """
    moved = dict(weights)
    for place, name in enumerate(parameters):
        w = weights[name]
        noise = np.random.default_rng([1, place]).standard_normal(w.shape)
        if w.ndim >= 2:
            w = w + JITTER / np.sqrt(max(1, int(np.prod(w.shape[1:])))) * noise
        else:
            w = w + VECTOR_JITTER * noise + vectors
        moved[name] = np.asarray(w, dtype=weights[name].dtype)
    return moved


def fixed(weights: dict[str, np.ndarray], parameters: list[str]) -> dict[str, np.ndarray]:
    """Return weights that depend on each parameter's place and shape only, not on name or start."""
    filled = dict(weights)
    for place, name in enumerate(parameters):
        shape = weights[name].shape
        noise = np.random.default_rng([2, place, *shape]).standard_normal(shape)
        if len(shape) >= 2:
            w = noise / np.sqrt(max(1, int(np.prod(shape[1:]))))
        else:
            w = 1.0 + VECTOR_JITTER * noise
        filled[name] = np.asarray(w, dtype=weights[name].dtype)
    return filled


def deviation(expected_BTD: np.ndarray, got_BTD: np.ndarray) -> np.ndarray:
    """Return (B, T): the largest difference over channels, relative to the size of that position.

    Positions where both are equally not finite count as equal, where one is as WORST.
    """
    if expected_BTD.size == 0:
        return np.zeros(expected_BTD.shape[:2])
    both = np.isfinite(expected_BTD) & np.isfinite(got_BTD)
    expected = np.where(both, expected_BTD, 0.0)
    got = np.where(both, got_BTD, 0.0)
    size_BT = np.sqrt(np.mean(expected**2, axis=-1))
    whole = float(np.sqrt(np.mean(expected**2)))
    scale_BT = np.maximum(size_BT, max(QUIET * whole, 1e-12))
    relative_BT = np.abs(expected - got).max(axis=-1) / scale_BT
    one_sided = np.isfinite(expected_BTD) != np.isfinite(got_BTD)
    return np.where(one_sided.any(axis=-1), WORST, np.minimum(relative_BT, WORST))
