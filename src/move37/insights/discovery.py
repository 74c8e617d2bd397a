"""Confirmed discoveries over measured compute: their rate, and whether it falls.

Discoveries are taken as a point process over CPU seconds of finished trials. Two laws are compared
by Akaike's criterion: a constant rate (a straight line), and a rate that falls exponentially (a
curve that saturates). A straight line is only spoken of when the data can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from move37.core.claims import VerdictKind
from move37.core.events import Event, TrialFinished, VerdictReached

LEAST = 8
"""Discoveries below which no law is named; assumed: with fewer, the criterion is decided by one."""
CLEAR = 2.0  # of the criterion; Burnham & Anderson 2002, section 2.6
STEPS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """When layers entered the gallery, and the law that fits."""

    at_cpu_seconds: tuple[float, ...]
    total_cpu_seconds: float
    rate_per_hour: float
    low: float
    high: float
    """95 % of the rate, exact for a Poisson count."""
    advantage: float
    """Criterion of the straight line less that of the saturating one; below 0 the line fits."""
    words: str


def discovery(events: Iterable[Event]) -> Discovery | None:
    """Return the curve of a campaign; None before any compute was measured."""
    used, confirmed = 0.0, dict[str, float]()
    for event in events:
        match event:
            case TrialFinished(trial=trial):
                cost = trial.measurement.cost if trial.measurement else trial.cost
                used += cost.cpu_seconds if cost else 0.0
            case VerdictReached(candidate_id=id_, verdict=verdict):
                if verdict.kind in (VerdictKind.CONFIRMED, VerdictKind.VERIFIED):
                    confirmed.setdefault(id_, used)
                else:
                    confirmed.pop(id_, None)
    if used <= 0:
        return None
    return fit(sorted(confirmed.values()), used)


def fit(times: Sequence[float], total: float) -> Discovery:
    """Fit both laws to discoveries at these times of a total."""
    from scipy.special import gammaincinv

    n, hours = len(times), total / 3600
    low = float(gammaincinv(n, 0.025)) / hours if n else 0.0
    high = float(gammaincinv(n + 1, 0.975)) / hours
    advantage = _advantage([t / total for t in times]) if n else 0.0
    return Discovery(
        at_cpu_seconds=tuple(times),
        total_cpu_seconds=total,
        rate_per_hour=n / hours,
        low=low,
        high=high,
        advantage=advantage,
        words=_words(n, advantage),
    )


def _advantage(shares: Sequence[float]) -> float:
    """AIC of the constant rate less AIC of the falling one, over the unit interval.

    Given n points, their density is 1, or c exp(-c x) / (1 - exp(-c)); c > 0 costs one parameter.
    """
    n, total = len(shares), math.fsum(shares)
    best = 0.0
    for k in range(1, STEPS + 1):
        c = 50.0 * (k / STEPS) ** 2
        best = max(best, n * math.log(c / -math.expm1(-c)) - c * total)
    return 2 * best - 2


def _words(n: int, advantage: float) -> str:
    if n < LEAST:
        return f"{n} discoveries are too few to tell a straight line from one that levels off"
    if advantage > CLEAR:
        return "discoveries level off: a falling rate fits clearly better than a constant one"
    if advantage < -1.0:
        return (
            "a constant rate fits as well as a falling one: over this compute the curve is linear"
        )
    return "the data do not tell a constant rate from a falling one"
