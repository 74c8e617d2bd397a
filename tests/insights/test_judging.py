"""What the team's own words were worth.

W1  Two judges' agreement is over the candidates that both judged; one judge has none.
W2  A prediction is scored against what search measured, by author; what has no result is left out.
W3  The report shows both, and neither where there is nothing to show.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from told_campaigns import BASELINE, layer, opening

from move37.core.candidate import Prediction
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.events import CandidateProposed, Event, JudgementGiven, VerdictReached
from move37.insights.judging import agreement_rows, calibration_rows, correlation
from move37.insights.report import render, report_context
from move37.insights.story import tell


def judged(index: int, **votes: float) -> JudgementGiven:
    return JudgementGiven(
        index=index, candidate_id="c", quality=0.5, judge="panel", rubric={}, votes=votes
    )


def candidate(index: int, *, predicted: float, confidence: float, measured: float) -> list[Event]:
    """A searched candidate with one prediction about recall."""
    made = layer(f"layer {index}", BASELINE.id)
    prediction = Prediction(task="recall", effect=predicted, confidence=confidence)
    made = replace(made, author="openai:x", idea=replace(made.idea, predictions=(prediction,)))
    effect = Effect(mean=measured, low=measured - 1, high=measured + 1, n_pairs=1)
    verdict = Verdict(
        kind=VerdictKind.EXPLORED, reason="", effect=effect, task_effects={"recall": effect}
    )
    return [
        CandidateProposed(index=index, candidate=made, operator="llm:refine"),
        VerdictReached(index=index, candidate_id=made.id, verdict=verdict),
    ]


PREDICTED = [
    *candidate(0, predicted=1.0, confidence=0.9, measured=2.0),
    *candidate(1, predicted=1.0, confidence=0.8, measured=-2.0),
    *candidate(2, predicted=0.0, confidence=0.5, measured=1.0),
]


def test_two_judges_agree_as_far_as_both_judged():
    """W1."""
    (row,) = agreement_rows([judged(0, a=0.4, b=0.6), judged(1, a=0.5, b=0.5), judged(2, a=0.9)])
    assert (row.first, row.second, row.n) == ("a", "b", 2)
    assert row.difference == pytest.approx(0.1)
    assert row.correlation is None


def test_correlation_is_that_of_the_textbook():
    """W1."""
    assert correlation([(0, 0), (1, 1), (2, 2)]) == pytest.approx(1.0)
    assert correlation([(0, 2), (1, 1), (2, 0)]) == pytest.approx(-1.0)
    assert correlation([(0, 1), (1, 1), (2, 1)]) is None


def test_predictions_are_scored_against_search():
    """W2."""
    (row,) = calibration_rows(tell(opening() + PREDICTED).searched)
    assert (row.author, row.n, row.hits) == ("openai:x", 2, 1)
    assert row.confidence == pytest.approx(0.85)
    assert row.brier == pytest.approx((0.1**2 + 0.8**2) / 2)


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_the_report_shows_both_or_neither(name):
    """W3."""
    bare = render(name, report_context(opening()))
    assert "judges agree" not in bare
    assert "foresaw" not in bare
    first = tell(opening() + PREDICTED).searched[0].id
    votes = [replace(judged(0, a=0.5, b=0.7), candidate_id=first)]
    page = render(name, report_context(opening() + PREDICTED + votes))
    assert "1 of 2" in page
    assert "0.325" in page
    assert "0.20" in page
