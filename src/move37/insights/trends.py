"""How a search moved: effects and prices of its candidates over the order of proposal.

A rank correlation with its interval says whether there is a trend at all; medians of the first and
last third say how large it is. What rises in a search was also chosen by it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from move37.core.trial import Stage
from move37.insights.costs import layer_cost
from move37.insights.judging import correlation
from move37.insights.story import Record

LEAST = 10
"""Candidates below which no trend is named; assumed."""
Z = 1.959964
FIELLER = 1.06
"""Variance of Fisher's z of a rank correlation times n - 3 (Fieller, Hartley, Pearson 1957)."""

Point = tuple[float, float]
"""Place in the order of proposal, value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrendRow:
    """One quantity over the order of proposal."""

    name: str
    n: int
    first: float
    last: float
    """Medians of the first and last third."""
    correlation: float | None
    """Spearman's, of value and place; None where nothing varies."""
    low: float
    high: float
    """95 % of it."""
    words: str


def trend_rows(searched: Sequence[Record]) -> list[TrendRow]:
    """Return effect, prices and sizes over a search; quantities that nobody has are left out."""
    series = {name: points_of(searched, read) for name, read in QUANTITIES.items()}
    return [trend_row(name, points) for name, points in series.items() if points]


def trend_row(name: str, points: Sequence[Point]) -> TrendRow:
    """Return the trend of at least one point; points come in the order of places."""
    values = [value for _, value in points]
    third = max(1, len(values) // 3)
    rho = correlation(list(zip(ranks([p for p, _ in points]), ranks(values), strict=True)))
    low, high = _interval(rho, len(points))
    return TrendRow(
        name=name,
        n=len(points),
        first=statistics.median(values[:third]),
        last=statistics.median(values[-third:]),
        correlation=rho,
        low=low,
        high=high,
        words=_words(len(points), rho, low, high),
    )


def points_of(records: Sequence[Record], read: Callable[[Record], float | None]) -> list[Point]:
    """Return place and value of the records that have one."""
    found = [(float(r.place), read(r)) for r in records]
    return [(place, value) for place, value in found if value is not None and math.isfinite(value)]


def ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda k: values[k])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for k in order[start:end]:
            found[k] = (start + 1 + end) / 2
        start = end
    return found


def final_effect(record: Record) -> float | None:
    """Return the search effect after the whole training; shorter ones do not compare."""
    found = record.search
    return found.verdict.effect.mean if found and found.fitness and found.verdict.effect else None


def cost_per_token(record: Record) -> float | None:
    """Return microseconds of training a token."""
    return layer_cost(record.trials.values(), (), None).microseconds_per_token


def kiloflops(record: Record) -> float | None:
    """Return thousands of operations a token in one mixer, as probed."""
    return record.probes.flops_per_token / 1000 or None if record.probes else None


def state_bytes(record: Record) -> float | None:
    """Return the state of one sequence in one layer."""
    return float(record.probes.state_bytes) or None if record.probes else None


def mixer_parameters(record: Record) -> float | None:
    """Return the parameters of one mixer at the probed width."""
    return float(record.probes.n_parameters) or None if record.probes else None


def model_parameters(record: Record) -> float | None:
    """Return the parameters of the whole model at the search's size, or as published."""
    if record.published:
        return float(record.published.n_parameters) or None
    measured = list(record.measurements(Stage.SEARCH).values())
    return float(measured[-1].cost.n_parameters) if measured else None


def source_lines(record: Record) -> float | None:
    """Return the lines of the source."""
    if record.published and not record.published.has_program:
        return None
    return float(record.candidate.source.count("\n"))


def published_score(record: Record) -> float | None:
    """Return the publisher's score."""
    return record.published.score if record.published else None


def published_loss(record: Record) -> float | None:
    """Return the last published training loss."""
    return record.published.curve[-1][1] if record.published and record.published.curve else None


QUANTITIES: dict[str, Callable[[Record], float | None]] = {
    "effect in search, noise units (whole training)": final_effect,
    "published score": published_score,
    "published training loss, last": published_loss,
    "parameters of the whole model": model_parameters,
    "parameters of one mixer": mixer_parameters,
    "kFLOP a token, one mixer": kiloflops,
    "state, bytes a layer": state_bytes,
    "µs a training token": cost_per_token,
    "lines of source": source_lines,
}


def _interval(rho: float | None, n: int) -> tuple[float, float]:
    if rho is None or n < 4:
        return -1.0, 1.0
    middle = math.atanh(max(-0.999999, min(0.999999, rho)))
    half = Z * math.sqrt(FIELLER / (n - 3))
    return math.tanh(middle - half), math.tanh(middle + half)


def _words(n: int, rho: float | None, low: float, high: float) -> str:
    if rho is None and n >= 3:
        return "the same throughout"
    if n < LEAST:
        return "too few to tell"
    if low > 0:
        return "rises"
    return "falls" if high < 0 else "no trend to be told"
