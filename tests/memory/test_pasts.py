"""Pasts made one from the other, and what one has beyond another.

P1  A past is what folding all and looking back gives, in the same order, whatever was asked before.
P2  What a past has beyond a shorter one is its end; another beginning is noticed.
"""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_events import histories

from move37.core.events import CandidateProposed, Event, TrialFinished
from move37.memory.pasts import Pasts, beyond
from move37.memory.state import State, fold
from move37.testing.store_contract import candidate, journey, opening, trial


def among_others(history: list[Event], seed: int) -> list[Event]:
    """Put in trials of the root and second proposals, told by any index."""
    rng, told = random.Random(seed), list[Event]()
    for place, event in enumerate(history):
        told.append(event)
        if event.index < 0 or rng.random() < 0.7:
            continue
        if rng.random() < 0.5:
            told.append(root_trial(event.index, place))
        else:
            again = candidate(f"fixed {rng.randrange(5)}")
            told.append(CandidateProposed(index=event.index, candidate=again, operator="x"))
    return told


def root_trial(index: int, seed: int) -> TrialFinished:
    return TrialFinished(index=index, trial=trial(candidate("root").id, seed=1_000 + seed))


def looked_back(state: State) -> tuple[object, ...]:
    return state, [*state.entries], [*state.candidates.items()]


@settings(deadline=None, max_examples=100)
@given(histories(), st.integers(0, 2**20), st.data())
def test_a_past_is_what_looking_back_gives(history, seed, data):
    """P1."""
    told = among_others(history, seed)
    pasts, cut = Pasts(), 0
    while cut < len(told):
        more = data.draw(st.integers(1, 12))
        pasts.tell(told[cut : cut + more])
        cut += more
        state = fold(told[:cut])
        for index in data.draw(st.lists(st.integers(-1, 7), max_size=5)):
            found = pasts.before(state, index)
            assert looked_back(found) == looked_back(state.before(index))
            assert found.openings == state.before(index).openings


def test_more_pasts_than_are_kept_and_far_ones_are_the_same():
    """P1: of a campaign that goes on, as steps side by side ask."""
    pasts, told = Pasts(), opening()
    pasts.tell(told)
    for index in range(90):
        new = [*journey(index), root_trial(index, index)]
        pasts.tell(new)
        told += new
        state = fold(told)
        for n in {max(index - 3, 0), max(index - 5, 0), 80 if index == 85 else 2}:
            assert looked_back(pasts.before(state, n)) == looked_back(state.before(n))


def test_what_is_beyond_a_shorter_past_is_its_end():
    """P2."""
    state = fold([*opening(), *(e for k in range(6) for e in journey(k))])
    everyone = state.candidates
    ids, short = list(everyone), state.before(3).candidates
    assert beyond([], everyone) == list(everyone.values())
    assert [e.id for e in beyond(list(short), everyone) or ()] == ids[len(short) :]
    assert beyond(ids, everyone) == beyond(ids, short) == beyond(ids, {}) == []
    assert beyond([*ids[:2], ids[3]], everyone) is None
    assert beyond(["another", *ids[1:]], dict([*everyone.items()][:1])) is None
