"""How often discoveries come, and whether the rate falls: arithmetic on times, nothing else.

Discoveries are a point process over compute. Two laws: a constant rate (a straight line) and one
that falls exponentially (a curve that saturates), compared by Akaike's criterion. "Linear" is a
claim like any other: it is made only where the data rule out that the rate changed twofold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEAST = 8
"""Discoveries below which no law is named; assumed: with fewer, the criterion is decided by one."""
CLEAR = 2.0  # of the criterion; Burnham & Anderson 2002, section 2.6
TWOFOLD = 2.0  # assumed: a rate that changed by less over the whole search is called constant
STEPS = 400
STEEPEST = 50.0
ONE_DEGREE, TWO_DEGREES = 3.841459, 5.991465
"""95 % quantiles of chi-square: twice the drop of the log-likelihood inside the region."""
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Laws:
    """Both laws, fitted to discoveries at some times of a total."""

    rate_per_hour: float
    low: float
    high: float
    """95 % of the rate, exact for a Poisson count."""
    advantage: float
    """Criterion of the straight line less that of the saturating one; below 0 the line fits."""
    change_low: float
    change_high: float
    """95 % of the rate at the end over that at the start, by profile likelihood."""
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A fitted curve with its 95 % band, at shares of the compute from 0 to 1."""

    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def fit(times: Sequence[float], total: float) -> Laws:
    """Fit both laws to discoveries at these seconds of a total; total > 0."""
    from scipy.special import gammaincinv

    n, hours = len(times), total / SECONDS_PER_HOUR
    shares = [time / total for time in times]
    change_low, change_high = _change(shares)
    advantage = _advantage(shares)
    return Laws(
        rate_per_hour=n / hours,
        low=float(gammaincinv(n, 0.025)) / hours if n else 0.0,
        high=float(gammaincinv(n + 1, 0.975)) / hours,
        advantage=advantage,
        change_low=change_low,
        change_high=change_high,
        words=_words(n, advantage, change_low, change_high),
    )


def constant_band(n: int, shares: Sequence[float]) -> Band:
    """Return the straight line with the exact band of its slope."""
    from scipy.special import gammaincinv

    low = float(gammaincinv(n, 0.025)) if n else 0.0
    high = float(gammaincinv(n + 1, 0.975))
    return Band(
        middle=tuple(n * x for x in shares),
        low=tuple(low * x for x in shares),
        high=tuple(high * x for x in shares),
    )


def falling_band(times: Sequence[float], total: float, shares: Sequence[float]) -> Band:
    """Return the saturating curve with the envelope of its joint 95 % likelihood region."""
    seen, n = [time / total for time in times], len(times)
    found = {c: _log_likelihood(c, seen) for c in _steepnesses() if c >= 0}
    best = max(found, key=lambda c: found[c])
    inside = [
        (c, *_counts(n, TWO_DEGREES / 2 - (found[best] - value)))
        for c, value in found.items()
        if found[best] - value <= TWO_DEGREES / 2
    ]
    return Band(
        middle=tuple(n * _reached(best, x) for x in shares),
        low=tuple(min(low * _reached(c, x) for c, low, _ in inside) for x in shares),
        high=tuple(max(high * _reached(c, x) for c, _, high in inside) for x in shares),
    )


def _words(n: int, advantage: float, change_low: float, change_high: float) -> str:
    if n < LEAST:
        some = "1 discovery is" if n == 1 else f"{n} discoveries are"
        return f"{some} too few to tell a straight line from one that levels off"
    if advantage > CLEAR:
        return "discoveries level off: a falling rate fits clearly better than a constant one"
    if change_low > 1:
        return "discoveries speed up: the rate at the end is higher than at the start"
    if change_low > 1 / TWOFOLD and change_high < TWOFOLD:
        return (
            "linear over this compute: the rate at the end is within a factor of two of the start"
        )
    return (
        "the data do not tell a constant rate from a falling one: at the end it is between "
        f"{change_low:.2g} and {change_high:.2g} times the rate at the start"
    )


def _steepnesses() -> list[float]:
    half = [STEEPEST * (k / STEPS) ** 2 for k in range(1, STEPS + 1)]
    return [*(-c for c in reversed(half)), 0.0, *half]


def _log_likelihood(c: float, shares: Sequence[float]) -> float:
    """Of points in the unit interval with density c exp(-c x) / (1 - exp(-c))."""
    if c == 0:
        return 0.0
    return len(shares) * math.log(c / -math.expm1(-c)) - c * math.fsum(shares)


def _advantage(shares: Sequence[float]) -> float:
    """AIC of the constant rate less AIC of the falling one, which has one parameter more."""
    if not shares:
        return 0.0
    return 2 * max(_log_likelihood(c, shares) for c in _steepnesses() if c >= 0) - 2


def _change(shares: Sequence[float]) -> tuple[float, float]:
    found = {c: _log_likelihood(c, shares) for c in _steepnesses()}
    best = max(found.values())
    inside = [c for c, value in found.items() if 2 * (best - value) <= ONE_DEGREE]
    return math.exp(-max(inside)), math.exp(-min(inside))


def _reached(c: float, share: float) -> float:
    """Return the part of the whole that a falling rate has given by then."""
    return share if c < 1e-9 else math.expm1(-c * share) / math.expm1(-c)


def _counts(n: int, slack: float) -> tuple[float, float]:
    """Return the Poisson means whose log-likelihood is at most `slack` below that of n."""
    if n == 0:
        return 0.0, slack

    def drop(mean: float) -> float:
        return n * math.log(n / mean) + mean - n

    low = _where(lambda m: drop(m) - slack, 1e-12 * n, float(n))
    high = _where(lambda m: slack - drop(m), float(n), 4.0 * n + 20.0)
    return low, high


def _where(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that goes from positive to negative is zero."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
