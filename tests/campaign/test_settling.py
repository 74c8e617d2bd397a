"""What became of a call, and whose work a candidate is.

S1  A fact settles a call: probes, a repeat in the text or in what is computed. What another model
    thinks of a proposal settles nothing.
S2  The bar of an alarm is that of all roles and models watched, not of those seen so far.
S3  Whoever proposed a repaired candidate is its author to a judge, as well as who repaired it.
S4  Somebody who may not judge a repaired candidate's proposer loses the vote on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from move37.campaign import edges
from move37.campaign.guarding import raise_alarms, settle_calls
from move37.campaign.rejudging import tainted_judgements
from move37.core.config import CampaignConfig
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    CandidateProposed,
    CandidateRepaired,
    EdgeDecided,
    Event,
    JudgementGiven,
    NoveltyJudged,
    ProbesRan,
)
from move37.core.team import TeamConfig
from move37.core.trial import Outcome, ProbeReport
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.testing.store_contract import candidate, opening

CLAUDE, GPT = "anthropic:claude-opus-4", "openai:gpt-5"
TEAM = TeamConfig.model_validate({
    "researcher": "llm",
    "engineer": "llm",
    "judge": "llm",
    "models": {
        "claude": {"provider": "anthropic", "model": "claude-opus-4"},
        "gpt": {"provider": "openai", "model": "gpt-5"},
    },
    "roles": {
        "researcher": {"models": ["claude"]},
        "engineer": {"models": ["gpt"]},
        "judge": {"models": ["claude"]},
    },
})  # fmt: skip
IDEA = replace(candidate("idea", candidate("root").id), author=CLAUDE)
PASSED = ProbeReport(outcome=Outcome.COMPLETED, verdicts=())
FAILED = ProbeReport(outcome=Outcome.PROBE_FAILED, verdicts=())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "first" / "ledger.db", create=True) as ledger:
        ledger.append(*opening())
        yield ledger


def called(index: int, role: str, model: str, effort: str = "low") -> CallEnded:
    return CallEnded(
        index=index,
        call_id=f"{role} {index}",
        role=role,
        model=model,
        effort=effort,
        outcome="answered",
        reason="",
        n_requests=1,
    )


def novelty(*, is_novel: bool, distance: float, by: str = "source") -> NoveltyJudged:
    return NoveltyJudged(
        index=0,
        candidate_id=IDEA.id,
        is_novel=is_novel,
        nearest=candidate("root").id,
        reason="",
        distance=distance,
        by=by,
    )


def probed(report: ProbeReport) -> ProbesRan:
    return ProbesRan(index=0, candidate_id=IDEA.id, report=report)


@pytest.mark.parametrize(
    ("events", "settled"),
    [
        ([novelty(is_novel=True, distance=0.3), probed(PASSED)], True),
        ([novelty(is_novel=True, distance=0.3), probed(FAILED)], False),
        ([novelty(is_novel=False, distance=0.0)], False),
        (
            [
                novelty(is_novel=True, distance=0.3),
                probed(PASSED),
                novelty(is_novel=False, distance=0.0, by="behaviour"),
            ],
            False,
        ),
        ([novelty(is_novel=False, distance=0.3)], None),
        ([novelty(is_novel=False, distance=0.3), probed(PASSED)], True),
    ],
)
def test_a_call_is_settled_by_what_was_measured(ledger, events: list[Event], settled):
    """S1: the last two were refused by a second opinion only."""
    ledger.append(
        called(0, "researcher", CLAUDE),
        CandidateProposed(index=0, candidate=IDEA, operator="llm"),
        *events,
    )
    settle_calls(Journal(ledger, 0))
    judged = [event.success for event in ledger.events([CallJudged])]
    assert judged == ([] if settled is None else [settled])


@pytest.mark.parametrize(("n_harmed", "rings"), [(7, False), (8, True)])
def test_the_bar_of_an_alarm_is_that_of_all_who_are_watched(ledger, n_harmed, rings):
    """S2: seven pairs are evidence of 25, eight of 45; two roles are watched, so 40 is needed."""
    for pair in range(n_harmed):
        for place, effort in enumerate(("low", "high")):
            index = 2 * pair + place
            ledger.append(
                called(index, "researcher", CLAUDE, effort),
                CallJudged(
                    index=index,
                    call_id=f"researcher {index}",
                    role="researcher",
                    measure="probes_passed",
                    success=effort == "low",
                ),
            )
    raise_alarms(CampaignConfig(team=TEAM), Journal(ledger, 100))
    assert bool(list(ledger.events([AlarmRaised]))) is rings


@pytest.fixture
def repaired(ledger):
    """Proposed by Claude, repaired by GPT twice."""
    first = replace(candidate("once", IDEA.id), author=GPT)
    second = replace(candidate("twice", first.id), author=GPT)
    ledger.append(
        CandidateProposed(index=0, candidate=IDEA, operator="llm"),
        CandidateRepaired(index=0, candidate=first, because="crashed"),
        CandidateRepaired(index=0, candidate=second, because="crashed"),
    )
    return second


def test_whoever_proposed_a_repaired_candidate_is_its_author_to_a_judge(ledger, repaired):
    """S3."""
    child = replace(candidate("child", repaired.id), author=GPT)
    ledger.append(CandidateProposed(index=1, candidate=child, operator="llm"))
    assert edges.makers(ledger.state(), repaired, 0) == (GPT, CLAUDE)
    assert edges.makers(ledger.state(), child, 1) == (GPT,)
    again = CandidateProposed(index=1, candidate=replace(repaired, author=GPT), operator="llm")
    ledger.append(again)
    assert edges.makers(ledger.state(), repaired, 1) == (GPT,)
    edges.record_judging(TEAM, Journal(ledger, 0), repaired)
    decided = {e.producer: e.allowed for e in ledger.events([EdgeDecided])}
    assert decided == {GPT: True, CLAUDE: False}


def test_a_vote_on_the_repaired_work_of_a_relative_does_not_count(ledger, repaired):
    """S4."""
    ledger.append(
        JudgementGiven(
            index=0,
            candidate_id=repaired.id,
            quality=0.9,
            judge=CLAUDE,
            rubric={},
            votes={CLAUDE: 0.9},
        )
    )
    state = ledger.state()
    (tainted,) = tainted_judgements(state, state.entries.values(), edges.roster_at(TEAM, ledger))
    assert (tainted.entry.id, list(tainted.reasons), tainted.left) == (repaired.id, [CLAUDE], {})
