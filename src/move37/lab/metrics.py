"""Numbers from logits, in numpy: nobody but the host computes a score.

P positions, V vocabulary, N windows.
"""

from __future__ import annotations

import numpy as np

FLOOR_NATS = 30.0
"""Log-probabilities are compared no lower than this: all that is rarer is equally impossible."""


def nats_and_hits(logits_PV: np.ndarray, targets_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cross-entropy in nats and whether the largest logit is the target, per position.

    Computed in float64 with the largest logit subtracted. Of tied logits the lowest token counts.

    Args:
        logits_PV: finite, any float dtype.
        targets_P: token ids, all >= 0.
    """
    logits = logits_PV.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    log_sum_P = np.log(np.exp(logits).sum(axis=1))
    target_P = np.take_along_axis(logits, targets_P[:, None].astype(np.int64), axis=1)[:, 0]
    return log_sum_P - target_P, logits_PV.argmax(axis=1) == targets_P


def log_probabilities(logits_PV: np.ndarray) -> np.ndarray:
    """Return float32 log-probabilities, none below -FLOOR_NATS: to compare answers, not to score.

    Log-probabilities do not move when a constant is added to the logits, and the floor keeps an
    absurdly low logit from stretching the scale that differences are judged by.
    """
    with np.errstate(over="ignore"):  # the gap of two huge logits: -inf is below the floor anyway
        below_PV = logits_PV - logits_PV.max(axis=1, keepdims=True)
    log_sum_P1 = np.log(np.exp(below_PV).sum(axis=1, keepdims=True))
    return np.maximum(below_PV - log_sum_P1, np.float32(-FLOOR_NATS))


def disagreement(first_PV: np.ndarray, second_PV: np.ndarray) -> np.ndarray:
    """Return per position the largest gap between two answers, in spreads of the first (>= 1 nat).

    Args:
        first_PV: from `log_probabilities`.
        second_PV: likewise.
    """
    spread_P = first_PV.max(axis=1) - first_PV.min(axis=1)
    return np.abs(first_PV - second_PV).max(axis=1) / np.maximum(spread_P, 1.0)


def mean_over_windows(sums_N: np.ndarray, counts_N: np.ndarray) -> tuple[float, float]:
    """Return the mean over all answers and its standard error over windows.

    Windows are the independent units; their answers are not. Ratio estimator: W. G. Cochran,
    "Sampling Techniques", 1977, section 2.11.

    Args:
        sums_N: sum of the metric over a window's answers, N >= 2.
        counts_N: number of its answers; at least one in all.
    """
    total, n = counts_N.sum(), len(sums_N)
    mean = sums_N.sum() / total
    residuals_N = sums_N - mean * counts_N
    return float(mean), float(np.sqrt((residuals_N**2).sum() * n / (n - 1)) / total)
