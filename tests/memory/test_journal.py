"""Doing things once.

Invariant D1: for one key `make` runs once in the life of a campaign, however often it is asked for;
and the answer is the same, to the order of its mappings, in the run that made it and in every later
one.
"""

from __future__ import annotations

import pytest

from move37.core.claims import RungChoice, RungDecision
from move37.core.errors import LabError, LedgerError
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    JudgementGiven,
    ProbesRan,
    RungDecided,
    SessionOpened,
    TrialFinished,
    TrialStarted,
)
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger
from move37.testing.store_contract import candidate, journey, opening, trial

ROOT = candidate("root").id


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db", create=True) as ledger:
        ledger.append(*opening())
        yield ledger


def never():
    pytest.fail("made again")


def decided(rung: int) -> RungDecided:
    decision = RungDecision(choice=RungChoice.GO_ON, reason="", probability=0.5)
    return RungDecided(index=0, candidate_id=ROOT, rung=rung, decision=decision)


def test_what_was_recorded_is_not_made_again_by_a_later_driver(tmp_path, ledger):
    """D1."""
    wanted = trial(ROOT)
    made = Journal(ledger, 0).once(
        TrialFinished, lambda: TrialFinished(index=0, trial=wanted), match=wanted.spec
    )
    with Ledger.open(tmp_path / "ledger.db") as later:
        for index in (0, 5):
            found = Journal(later, index).once(TrialFinished, never, match=wanted.spec)
            assert found == made
        by_field = Journal(later, 0).once(TrialFinished, never, match={"spec": wanted.spec})
        assert by_field == made
        assert Journal(later, 0).recorded(TrialFinished, spec=wanted.spec) == made


def test_the_first_answer_has_the_order_of_every_later_one(ledger):
    """D1: floats summed in another order differ in the last bit."""
    rubric = {"z": 0.1, "a": 0.2, "m": 0.3}
    given = JudgementGiven(index=0, candidate_id=ROOT, quality=0.5, judge="s", rubric=rubric)
    journal = Journal(ledger, 0)
    first = journal.once(JudgementGiven, lambda: given)
    again = journal.once(JudgementGiven, never)
    assert list(first.rubric) == list(again.rubric) == ["a", "m", "z"]
    wanted = trial(ROOT)
    finished = journal.once(
        TrialFinished, lambda: TrialFinished(index=0, trial=wanted), match=wanted.spec
    )
    assert finished.trial.measurement is not None
    assert list(finished.trial.measurement.scores) == ["recall", "text"]


def test_keys_tell_events_of_one_kind_apart(ledger):
    journal = Journal(ledger, 0)
    for rung in (0, 1):
        journal.once(RungDecided, lambda rung=rung: decided(rung), match={"rung": rung})
    assert journal.once(RungDecided, never, match={"rung": 1}) == decided(1)
    assert journal.once(RungDecided, never) == decided(0)
    assert journal.once(RungDecided, never, match=lambda e: e.rung > 0) == decided(1)
    assert journal.recorded(RungDecided, rung=2) is None
    assert journal.recorded(RungDecided, rung=1, candidate_id=ROOT) == decided(1)
    assert journal.recorded(RungDecided, mood="good") is None


def test_each_index_has_its_own_page(ledger):
    ledger.append(*journey(0), *journey(1))
    first, second = Journal(ledger, 0), Journal(ledger, 1)
    proposed = first.recorded(CandidateProposed)
    assert proposed is not None
    assert proposed.candidate == candidate("broken 0", ROOT)
    assert second.recorded(CandidateProposed, candidate_id=proposed.candidate.id) is None
    repaired = first.recorded(CandidateRepaired, parent=proposed.candidate.id)
    assert repaired is not None
    assert repaired.candidate.idea.name == "fixed 0"
    assert first.recorded(ProbesRan, candidate_id=repaired.candidate.id) is not None
    assert first.recorded(TrialStarted, spec=trial(repaired.candidate.id).spec) is not None


def test_what_fails_is_not_recorded_and_is_made_the_next_time(ledger):
    journal = Journal(ledger, 0)

    def breaks():
        raise LabError("no sandbox")

    with pytest.raises(LabError):
        journal.once(RungDecided, breaks)
    assert journal.recorded(RungDecided) is None
    assert journal.once(RungDecided, lambda: decided(0)) == decided(0)


def test_an_answer_to_another_question_is_refused(ledger):
    journal = Journal(ledger, 0)
    other = trial(ROOT, seed=1)
    with pytest.raises(LedgerError, match="asked for a RungDecided of index 0"):
        journal.once(RungDecided, lambda: decided(1), match={"rung": 0})
    with pytest.raises(LedgerError, match="asked for a RungDecided of index 3"):
        Journal(ledger, 3).once(RungDecided, lambda: decided(0))
    with pytest.raises(LedgerError, match="asked for a TrialFinished"):
        journal.once(
            TrialFinished, lambda: TrialFinished(index=0, trial=other), match=trial(ROOT).spec
        )
    assert ledger.head()[0] == len(opening())


def test_things_that_happen_often_are_recorded_each_time(ledger):
    journal = Journal(ledger, -1)
    opened = SessionOpened(driver="b", sandboxed=True, budget_seconds=1.0)
    assert journal.record(opened) == journal.record(opened) == opened
    assert ledger.head()[0] == len(opening()) + 2
