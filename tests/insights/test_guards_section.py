"""The report's section on guards: what they decided, in numbers of the events.

G1  Every kind of event that a guard writes is counted and shown.
G2  Words of models are text, whatever is in them.
G3  Without language models the section says so, and claims nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import written
from told_campaigns import winning

from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    DatasetExported,
    DiversityStated,
    EdgeDecided,
    Event,
    FamilyQuarantined,
    JudgementRevised,
    QuarantineLifted,
)
from move37.insights.safeguards import safeguards

HOSTILE = "<img src=//evil.example onerror=alert(1)>"


def call(k: int, effort: str, *, success: bool, outcome: str = "answered") -> list[Event]:
    return [
        CallEnded(
            index=k, call_id=f"c{k}", role="researcher", model="openai:a", effort=effort,
            outcome=outcome, reason="", n_requests=1,
        ),
        CallJudged(
            index=k, call_id=f"c{k}", role="researcher", measure="probes_passed", success=success
        ),
    ]  # fmt: skip


def edge(kind: str, *, allowed: bool, reason: str = "related") -> EdgeDecided:
    return EdgeDecided(
        index=1, producer="openai:a", consumer="openai:b", kind=kind, allowed=allowed,
        reason=reason, about="abc",
    )  # fmt: skip


GUARDED: list[Event] = [
    DiversityStated(level="degraded", groups=(("openai:a", "openai:b"),), reason="one line only"),
    *call(1, "low", success=True),
    *call(2, "high", success=False),
    *call(3, "low", success=True, outcome="unusable"),
    edge("judging", allowed=True),
    edge("judging", allowed=False),
    edge("judging", allowed=False),
    edge("context", allowed=True),
    AlarmRaised(index=5, guard="inverse-scaling", role="researcher", model="openai:a",
                evidence=41.0, reason="more effort, fewer passed", cap="medium"),
    FamilyQuarantined(index=6, family="gpt", reason=HOSTILE, by="canary", descendants=("x", "y")),
    JudgementRevised(index=7, candidate_id="x", how="votes_dropped", quality=0.5, votes={},
                     dropped={"openai:a": 0.9}, reason="set apart"),
    QuarantineLifted(index=9, family="gpt", reason="seen again"),
    DatasetExported(student="s", rows={"instruction": 3, "preference": 1},
                    refused={"related": 2}, manifest=""),
]  # fmt: skip


def test_decisions_are_counted_by_kind():
    """G1."""
    found = safeguards(GUARDED)
    assert found is not None
    assert {row.kind: (row.n_allowed, row.n_refused) for row in found.edges} == {
        "judging": (1, 2), "context": (1, 0),
    }  # fmt: skip
    assert found.n_refused == 2
    assert [alarm.cap for alarm in found.alarms] == ["medium"]
    (row,) = found.quarantines
    assert (row.family, row.n_descendants, row.index, row.lifted_at) == ("gpt", 2, 6, 9)
    assert found.revised == (("votes dropped", 1),)


def test_effort_stands_with_what_came_of_it():
    """G1: from the lowest to the highest."""
    found = safeguards(GUARDED)
    assert found is not None
    rows = [(r.effort, r.n_calls, r.n_success, r.n_judged) for r in found.efforts]
    assert rows == [("low", 2, 2, 2), ("high", 1, 0, 1)]
    assert found.efforts[0].low == pytest.approx(0.342, abs=1e-3)  # Wilson, 2 of 2
    (model,) = found.models
    assert (model.n_conversations, model.n_answered) == (3, 2)


def test_the_page_shows_them_and_hostile_words_do_nothing(tmp_path: Path):
    """G1, G2."""
    page, markdown = written([*winning(), *GUARDED], tmp_path)
    for text in (page.text, markdown):
        assert "degraded" in text
        assert "more effort, fewer passed" in text
        assert "votes dropped: 1" in text
        assert "4 rows left the campaign, 2 were left out" in text
        assert "related (2)" in text
        assert "alert(1)" in text
    assert "<img" not in markdown


def test_without_language_models_the_section_says_so(tmp_path: Path):
    """G3."""
    page, markdown = written(winning(), tmp_path)
    assert "No language model took part" in page.text
    assert "No language model took part" in markdown
    assert "No alarm was raised" not in page.text


def test_weights_that_are_gone_on_from_are_counted_without_language_models(tmp_path: Path):
    """G1, G3."""
    page, markdown = written([*winning(), edge("warm-start", allowed=True)], tmp_path)
    for text in (page.text, markdown):
        assert "No language model took part" in text
        assert "warm-start" in text
        assert "No alarm was raised" not in text
