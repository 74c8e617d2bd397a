"""Two-sided intervals for the mean of a few paired differences: t, and bootstrap."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from move37.evidence.inputs import EvidenceError, finite_array, positive_number, probability

ROUNDING = 1e-12
"""Spread below this share of the largest difference is rounding, not noise."""
N_RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean with the ends of its interval."""

    mean: float
    low: float
    high: float


def t_interval(differences: np.ndarray, *, confidence: float, floor: float) -> Interval:
    """Student's t interval of the mean; from the noise floor where the spread says nothing.

    With one difference, or with differences that are all the same (a saturated metric, a candidate
    that computes the baseline's function), the sample has no spread to learn from: the interval is
    then the normal one with `floor` as the deviation of one difference.

    Args:
        differences: (n,), n >= 1, finite; any order (sums are exact, so order cannot matter).
        confidence: of the two-sided interval, in (0, 1).
        floor: standard deviation of one paired difference, > 0, in the differences' unit.

    Raises:
        EvidenceError: no difference, a value that is not finite, a floor or confidence out of
        range.

    Source: Student, "The probable error of a mean", Biometrika 1908.
    """
    from scipy.special import stdtrit

    values, tail = _checked(differences, confidence, floor)
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1 or is_constant(values):
        return _floor_interval(mean, n, tail, floor)
    half = float(stdtrit(n - 1, 1.0 - tail)) * sample_deviation(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
    differences: np.ndarray, *, confidence: float, floor: float, seed: int = 0
) -> Interval:
    """Expanded percentile bootstrap interval of the mean.

    The plain percentile interval is too narrow with few seeds (by sqrt((n-1)/n), and normal tails
    instead of t). The expanded one reads the bootstrap distribution at
    Phi(-sqrt(n/(n-1)) * t_{n-1}), which agrees with the t interval for Gaussian differences. It
    cannot reach beyond the smallest and largest difference, so under about 8 seeds prefer t.

    Args:
        differences: as for `t_interval`; one value or no spread is answered from the floor.
        confidence: of the two-sided interval.
        floor: standard deviation of one paired difference.
        seed: of the resampling; the same data and seed give the same interval in any order.

    Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69(4), 2015, section 4.
    """
    from scipy.special import ndtr, stdtrit

    values, tail = _checked(differences, confidence, floor)
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1 or is_constant(values):
        return _floor_interval(mean, n, tail, floor)
    expanded = float(ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, tail)))
    picks = np.random.default_rng(seed).integers(0, n, (N_RESAMPLES, n))
    means = np.sort(values)[picks].mean(axis=1)
    low, high = np.quantile(means, [expanded, 1.0 - expanded])
    return Interval(mean, float(low), float(high))


def sample_deviation(values: np.ndarray) -> float:
    """Standard deviation with n-1 in the denominator; needs two values. Order cannot matter."""
    if len(values) < 2:
        raise EvidenceError(f"a deviation needs two values, got {len(values)}")
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def is_constant(values: np.ndarray) -> bool:
    """Whether the values differ by no more than rounding."""
    return float(np.ptp(values)) <= ROUNDING * float(np.abs(values).max())


def _checked(differences: np.ndarray, confidence: float, floor: float) -> tuple[np.ndarray, float]:
    values = finite_array(differences, "paired differences")
    if len(values) == 0:
        raise EvidenceError("an interval needs at least one paired difference, got none")
    positive_number(floor, "noise floor")
    return values, (1.0 - probability(confidence, "confidence")) / 2.0


def _floor_interval(mean: float, n: int, tail: float, floor: float) -> Interval:
    from scipy.special import ndtri

    half = -float(ndtri(tail)) * floor / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)
