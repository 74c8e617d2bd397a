"""What is known, folded from events.

Invariants: L1 folding is resumable and leaves its start alone; L2 what candidates below n produced
does not depend on what else was in flight; L3 every derived fact follows from the events by a plain
count.
"""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_events import histories

from move37.core.budget import Spend
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.errors import LedgerError
from move37.core.events import (
    CandidateProposed,
    CandidateStarted,
    Event,
    NoveltyJudged,
    RootAdded,
    TrialFinished,
    VerdictReached,
)
from move37.memory.contenders import contenders
from move37.memory.state import State, fold
from move37.testing.store_contract import COST, candidate, journey, opening, story, trial


@settings(deadline=None, max_examples=60)
@given(histories(), st.data())
def test_a_state_after_a_pause_equals_a_state_without_one(history, data):
    """L1."""
    cut = data.draw(st.integers(0, len(history)))
    first = fold(history[:cut])
    kept = fold(history[:cut])
    assert fold(history) == fold(history[cut:], start=first)
    assert first == kept


@settings(deadline=None, max_examples=60)
@given(histories(), st.integers(-4, 6))
def test_what_came_before_an_index_is_the_same_whatever_was_in_flight(history, index):
    """L2: compared with a campaign in which later candidates never began."""
    alone = [event for event in history if event.index < max(index, 0)]
    assert fold(history).before(index) == fold(alone)


def test_the_order_in_which_threads_finish_does_not_change_what_a_later_index_sees():
    """L2."""
    told = [journey(index) for index in range(4)]
    states = []
    for seed in range(5):
        queues = [list(events) for events in told]
        mixed = opening()
        rng = random.Random(seed)
        while any(queues):
            mixed.append(rng.choice([queue for queue in queues if queue]).pop(0))
        states.append(fold(mixed).before(3))
    for state in states[1:]:
        assert list(state.candidates) == list(states[0].candidates)
        assert [e.events for e in state.candidates.values()] == [
            e.events for e in states[0].candidates.values()
        ]


@settings(deadline=None, max_examples=60)
@given(histories())
def test_facts_equal_a_plain_count_over_the_events(history):
    """L3."""
    state = fold(history)
    finished = [e for e in history if isinstance(e, TrialFinished)]
    started = {e.index for e in history if isinstance(e, CandidateStarted)}
    concluded = {e.index for e in history if isinstance(e, VerdictReached)}
    assert state.started == started
    assert state.finished == concluded
    assert state.in_flight == started - concluded
    assert state.next_index == max(started, default=-1) + 1
    assert state.spend.n_trials == len(finished)
    assert state.spend.cpu_seconds == pytest.approx(COST.cpu_seconds * len(finished))
    for entry in state.candidates.values():
        assert [e.trial for e in finished if e.trial.spec.candidate_id == entry.id] == list(
            entry.trials.values()
        )


def test_a_finished_index_tells_everything_about_its_candidates():
    """L3."""
    state = fold(story(2))
    root, broken, fixed, *_ = state.candidates.values()
    assert (root.role, broken.role, fixed.role) == ("root", "proposed", "repaired")
    assert (root.operator, broken.operator, fixed.operator) == ("", "mutate:decay", "repair")
    assert state.roots == (root,)
    assert broken.verdict is None
    assert broken.novelty is not None
    assert broken.novelty.is_novel
    assert broken.probes is not None
    assert not broken.probes.passed
    assert fixed.probes is not None
    assert fixed.probes.passed
    assert fixed.verdict is not None
    assert fixed.verdict.effect is not None
    assert fixed.fitness is not None
    assert fixed.fitness.value == 0.4
    assert fixed.n_seeds == 1, "the diverged seed does not count"
    assert fixed.quality == 0.6
    assert [d.rung for d in fixed.decisions] == [0]
    assert [lesson.text for lesson in state.lessons] == ["decay helps recall"] * 2
    assert state.parents[fixed.id] == (broken.id, root.id)
    assert state.spend == Spend(wall_seconds=12.5, cpu_seconds=5.0, n_candidates=4, n_trials=4)


def test_the_last_verdict_counts_and_a_fitness_stays_until_another_is_given():
    fixed = candidate("fixed 0")
    refuted = Verdict(kind=VerdictKind.REFUTED, reason="not with fresh seeds")
    state = fold([*story(1), VerdictReached(index=-1, candidate_id=fixed.id, verdict=refuted)])
    entry = state.candidates[fixed.id]
    assert entry.verdict == refuted
    assert entry.fitness is not None


def test_a_confirmation_changes_nothing_that_the_search_chooses_by():
    """Fresh seeds stay fresh: a later confirmation of a child uses them again."""
    fixed = candidate("fixed 0")
    fresh = Verdict(
        kind=VerdictKind.CONFIRMED, reason="held", e_value=40.0, level=0.03,
        task_effects={"recall": Effect(mean=9.0, low=8.0, high=10.0, n_pairs=4)},
    )  # fmt: skip
    before = fold(story(1))
    after = fold([VerdictReached(index=0, candidate_id=fixed.id, verdict=fresh)], start=before)
    assert after.candidates[fixed.id].verdict == fresh
    assert after.candidates[fixed.id].search_verdict == before.candidates[fixed.id].verdict
    assert contenders(after) == contenders(before)


def test_a_candidate_proposed_twice_keeps_its_first_standing():
    """The repeat's rejection is told about the repeat."""
    fixed = candidate("fixed 0")
    repeat: list[Event] = [
        CandidateStarted(index=7, driver="a"),
        CandidateProposed(index=7, candidate=fixed, operator="crossover"),
        NoveltyJudged(
            index=7, candidate_id=fixed.id, is_novel=False, nearest=fixed.id, reason="known"
        ),
        VerdictReached(
            index=7,
            candidate_id=fixed.id,
            verdict=Verdict(kind=VerdictKind.REJECTED, reason="known"),
        ),
    ]
    state = fold([*story(1), *repeat])
    assert state.entries[7, fixed.id].verdict == Verdict(kind=VerdictKind.REJECTED, reason="known")
    first = state.candidates[fixed.id]
    assert first.index == 0
    assert first.verdict is not None
    assert first.verdict.kind is VerdictKind.EXPLORED
    assert 7 in state.finished


def test_an_event_about_nobody_is_an_error():
    with pytest.raises(LedgerError, match="TrialFinished is about candidate 'nobody'"):
        fold([*opening(), TrialFinished(index=0, trial=trial("nobody"))])


def test_nothing_is_known_of_nothing():
    state = State()
    assert state.next_index == 0
    assert state.candidates == {}
    assert state.in_flight == frozenset()
    assert state.spend == Spend()


def test_a_root_that_is_also_proposed_stays_a_root():
    root = candidate("root")
    again = CandidateProposed(index=0, candidate=root, operator="mutate:nothing")
    assert fold([RootAdded(candidate=root, role="root"), again]).candidates[root.id].role == "root"


def test_a_state_of_thousands_is_cheap_to_extend_and_to_cut():
    """A proposal must not wait for the state: 3000 indices, under 50 ms of processor time each."""
    state = fold([*opening(), *(e for index in range(3000) for e in journey(index))])
    start = time.process_time()
    state = fold(journey(3000), start=state)
    before = state.before(2996)
    assert len(before.candidates) == 1 + 2 * 2996
    assert time.process_time() - start < 0.5  # measured 0.03; ten times that for a busy machine
