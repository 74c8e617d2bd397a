"""What the team's own words were worth: judges among each other, predictions against results.

From search results only: predictions were made about what search measures.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from move37.core.events import Event, JudgementGiven
from move37.insights.story import Record

SAYING_HALF = 0.25
"""Brier score of whoever always says 0.5."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementRow:
    """Two judges on the candidates that both judged."""

    first: str
    second: str
    n: int
    difference: float
    """Mean absolute difference of their qualities; 0 is agreement, 1 the most there can be."""
    correlation: float | None
    """Of their qualities; None below three candidates, or where one judge gives one quality only.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationRow:
    """An author's predictions of signs against what search measured."""

    author: str
    n: int
    hits: int
    confidence: float
    """Mean probability given to the predicted signs."""
    brier: float
    """Mean squared error of those probabilities; SAYING_HALF without any knowledge."""


def agreement_rows(events: Iterable[Event]) -> list[AgreementRow]:
    """Return how far every two judges of a panel agree."""
    pairs: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for event in events:
        if isinstance(event, JudgementGiven):
            for first, second in itertools.combinations(sorted(event.votes), 2):
                pairs[first, second].append((event.votes[first], event.votes[second]))
    return [
        AgreementRow(
            first=first,
            second=second,
            n=len(votes),
            difference=math.fsum(abs(a - b) for a, b in votes) / len(votes),
            correlation=correlation(votes),
        )
        for (first, second), votes in sorted(pairs.items())
    ]


def calibration_rows(records: Iterable[Record]) -> list[CalibrationRow]:
    """Return how every author's predictions fared, those that can be checked."""
    scored: defaultdict[str, list[tuple[float, bool]]] = defaultdict(list)
    for record in records:
        verdict = record.search.verdict if record.search else None
        effects = (verdict.task_effects if verdict else None) or {}
        for prediction in record.candidate.idea.predictions:
            if prediction.task in effects and prediction.effect != 0:
                hit = prediction.effect * effects[prediction.task].mean > 0
                scored[record.candidate.author].append((prediction.confidence, hit))
    return [
        CalibrationRow(
            author=author,
            n=len(scores),
            hits=sum(hit for _, hit in scores),
            confidence=math.fsum(c for c, _ in scores) / len(scores),
            brier=math.fsum((c - hit) ** 2 for c, hit in scores) / len(scores),
        )
        for author, scores in sorted(scored.items())
    ]


def correlation(pairs: list[tuple[float, float]]) -> float | None:
    """Return Pearson's correlation; None below three pairs or without spread on one side."""
    n = len(pairs)
    if n < 3:
        return None
    means = [math.fsum(pair[i] for pair in pairs) / n for i in (0, 1)]
    spreads = [math.fsum((pair[i] - means[i]) ** 2 for pair in pairs) for i in (0, 1)]
    if min(spreads) <= 1e-12:
        return None
    together = math.fsum((a - means[0]) * (b - means[1]) for a, b in pairs)
    return max(-1.0, min(1.0, together / math.sqrt(spreads[0] * spreads[1])))
