"""Does accuracy fall with reasoning effort? Tests that compare every item with itself.

Outcomes are an array of items by effort levels, in rising order: the same items at all levels, so
that how hard an item is cancels out. Levels are one doubling apart unless positions say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.05
SMALLEST_DROP = 0.05  # a choice: five points are worth an alarm (guards.md, open points)
SATURATED = 0.98
FEWEST_ITEMS = 20  # measured: below this only collapses are found (tests/guards/test_trend.py)
STEEPEST = 8.0  # logits per doubling; beyond it the likelihood is flat


class Trend(StrEnum):
    """What a sweep over efforts says."""

    INVERSE = "inverse"
    PEAK = "overthinking-peak"
    POSITIVE = "positive"
    FLAT = "flat"
    NOISY = "noisy"
    SATURATED = "saturated"
    UNTESTABLE = "untestable"
    INSUFFICIENT = "insufficient"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """The verdict on one role, model and kind of probe, with its numbers."""

    trend: Trend
    n_items: int
    accuracy: tuple[float, ...]
    """By level."""
    slope: float
    """Logits per doubling of effort, within items."""
    slope_low: float
    slope_high: float
    difference: float
    """Accuracy at the highest level less that at the lowest."""
    difference_low: float
    difference_high: float
    p_falling: float
    p_rising: float
    p_shape: float


def judge_sweep(
    outcomes_NL: Array,
    *,
    seed: int,
    tokens_L: Array | None = None,
    x_L: Array | None = None,
    level: float = LEVEL,
) -> Sweep:
    """Return trend, interval and verdict of one sweep.

    Args:
        outcomes_NL: 1 for right, 0 for wrong; N items, L levels in rising order of effort.
        seed: of the shape test's permutations.
        tokens_L: mean realised tokens; where they do not rise, nothing can be said.
        x_L: positions of the levels, with mean zero; default: one doubling apart.
        level: of each one-sided test. With several sweeps divide it, or use `holm`.
    """
    n, n_levels = outcomes_NL.shape
    x_L = centred(n_levels) if x_L is None else x_L
    p_falling = trend_p(outcomes_NL, x_L)
    p_shape = shape_p(outcomes_NL, rng=np.random.default_rng(seed))
    slope, low, high = conditional_slope(outcomes_NL, x_L)
    change_N = outcomes_NL[:, -1] - outcomes_NL[:, 0]
    difference = float(change_N.mean())
    half = 1.96 * float(change_N.std(ddof=1)) / np.sqrt(n) if n > 1 else 1.0
    unnamed = Sweep(
        trend=Trend.NOISY,
        n_items=n,
        accuracy=tuple(float(a) for a in outcomes_NL.mean(axis=0)),
        slope=slope,
        slope_low=low,
        slope_high=high,
        difference=difference,
        difference_low=difference - half,
        difference_high=difference + half,
        p_falling=p_falling,
        p_rising=trend_p(-outcomes_NL, x_L),
        p_shape=p_shape,
    )
    return replace(unnamed, trend=_verdict(unnamed, tokens_L, level))


def _verdict(sweep: Sweep, tokens_L: Array | None, level: float) -> Trend:
    checks: tuple[tuple[bool, Trend], ...] = (
        (sweep.n_items < FEWEST_ITEMS, Trend.INSUFFICIENT),
        (tokens_L is not None and not _rises(tokens_L), Trend.UNTESTABLE),
        (min(sweep.accuracy) > SATURATED, Trend.SATURATED),
        (sweep.p_falling < level and sweep.difference <= -SMALLEST_DROP, Trend.INVERSE),
        (sweep.p_shape < level, Trend.PEAK),
        (sweep.p_rising < level, Trend.POSITIVE),
        (
            sweep.difference_low > -SMALLEST_DROP and sweep.difference_high < SMALLEST_DROP,
            Trend.FLAT,
        ),
    )
    return next((trend for holds, trend in checks if holds), Trend.NOISY)


def _rises(tokens_L: Array) -> bool:
    return bool(tokens_L[-1] > 1.2 * tokens_L[0] and np.all(np.diff(tokens_L) >= 0))


def centred(n_levels: int) -> Array:
    """Return positions of levels one doubling apart, with mean zero."""
    return np.arange(n_levels, dtype=np.float64) - (n_levels - 1) / 2


def trend_p(outcomes_NL: Array, x_L: Array) -> float:
    """Return the one-sided p-value of a falling trend; small: outcomes fall with x.

    The score of the conditional logistic model, against its variance when each item's outcomes are
    shuffled among the levels: exact moments, no random numbers. Works for any finite outcomes.
    """
    y_NL = outcomes_NL - outcomes_NL.mean(axis=1, keepdims=True)
    x = x_L - x_L.mean()
    score = float((y_NL @ x).sum())
    variance = float((x @ x) * (y_NL**2).sum() / (len(x) - 1))
    if variance <= 0:
        return 1.0
    return NormalDist().cdf(score / variance**0.5)


def shape_p(outcomes_NL: Array, *, rng: np.random.Generator, n_shuffles: int = 400) -> float:
    """Return the p-value of `some lower level beats the highest`: finds peaks and cliffs."""

    def statistic(mean_KL: Array) -> Array:
        return (mean_KL[:, :-1] - mean_KL[:, -1:]).max(axis=1)

    observed = statistic(outcomes_NL.mean(axis=0)[None])[0]
    n, n_levels = outcomes_NL.shape
    order = rng.random((n_shuffles, n, n_levels)).argsort(axis=2)
    shuffled_KNL = np.take_along_axis(np.broadcast_to(outcomes_NL, order.shape), order, axis=2)
    at_least = statistic(shuffled_KNL.mean(axis=1)) >= observed - 1e-12
    return float((1 + at_least.sum()) / (1 + n_shuffles))


def conditional_slope(outcomes_NL: Array, x_L: Array) -> tuple[float, float, float]:
    """Return the within-item logistic slope and its 95 % profile-likelihood interval.

    Conditioning on how many levels an item gets right removes its difficulty. Where no item
    changes, nothing is known: 0 and the widest interval. Source: D. Collett, "Modelling Binary
    Data", 2003, conditional logistic regression for matched sets.
    """
    totals = outcomes_NL.sum(axis=1).astype(int)
    mixed = (totals > 0) & (totals < len(x_L))
    if not mixed.any():
        return 0.0, -STEEPEST, STEEPEST
    counts = np.bincount(totals[mixed], minlength=len(x_L) + 1)
    score = float((outcomes_NL[mixed] @ x_L).sum())

    def loss(beta: float) -> float:
        return float(counts @ _log_symmetric(np.exp(beta * x_L))) - beta * score

    def gradient(beta: float) -> float:
        return (loss(beta + 1e-4) - loss(beta - 1e-4)) / 2e-4

    slope = rising_root(gradient, -STEEPEST, STEEPEST)
    allowed = loss(slope) + NormalDist().inv_cdf(0.975) ** 2 / 2
    low = rising_root(lambda b: allowed - loss(b), -STEEPEST, slope)
    high = rising_root(lambda b: loss(b) - allowed, slope, STEEPEST)
    return slope, low, high


def _log_symmetric(weights_L: Array) -> Array:
    """Return the logarithms of the elementary symmetric polynomials of the weights."""
    polynomial = np.zeros(len(weights_L) + 1)
    polynomial[0] = 1.0
    for n, weight in enumerate(weights_L, start=1):
        polynomial[1 : n + 1] = polynomial[1 : n + 1] + weight * polynomial[:n]
    return np.log(polynomial)


def rising_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is zero, or the end that is nearest to it."""
    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    for _ in range(40):  # halvings: to 1e-11 of the range
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return (low + high) / 2


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    adjusted, largest = dict[str, float](), 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, p_values[name] * (len(p_values) - rank)))
        adjusted[name] = largest
    return adjusted
