"""Lineage in the terminal.

T1  Every candidate is drawn once, under its first parent, however strange the lineage.
T2  The drawing is bounded: what is left out is counted, and a tree as large as the ancestor's, or a
    line of descent as long, takes well under two seconds.
"""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from move37.campaign.tree import branches, source_diff
from move37.core.candidate import Candidate, Idea
from move37.core.events import CandidateProposed
from move37.memory.state import Entry, State


def forest(parents: list[int | None]) -> State:
    """One candidate per place; each names the place of its parent, which may be any."""
    idea = Idea(name="x", motivation="", mechanism="")
    ids = [Candidate.of(f"# {k}\n", idea).id for k in range(len(parents))]
    entries = {}
    for k, parent in enumerate(parents):
        of = () if parent is None else (ids[parent % len(ids)],)
        candidate = Candidate.of(f"# {k}\n", idea, parents=of)
        told = CandidateProposed(index=k, candidate=candidate, operator="x")
        entries[k, candidate.id] = Entry(index=k, candidate=candidate, events=(told,))
    return State(entries=entries)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | st.integers(0, 40), max_size=30))
def test_every_candidate_is_drawn_once(parents):
    """T1: also those in a circle."""
    state = forest(parents)
    drawn = [line.id for line in branches(state, most=1000)]
    assert sorted(drawn) == sorted(state.candidates)


def test_what_is_left_out_is_counted():
    """T2."""
    lines = list(branches(forest([None, *[0] * 99]), most=10))
    assert [line.n_hidden for line in lines] == [0] * 10 + [90]


def test_a_large_tree_and_a_long_line_are_drawn_in_time():
    """T2: in processor time, which other programs do not change."""
    wide = forest([None, *((k * 7) // 11 for k in range(1771))])
    long = forest([None, *range(1771)])
    start = time.process_time()
    for state in (wide, long):
        assert sum(1 for _ in branches(state, most=10_000)) == 1772
    assert time.process_time() - start < 2.0
    assert max(len(line.lead) for line in branches(long, most=10_000)) < 80


def test_a_diff_of_long_sources_is_cut():
    """T2."""
    idea = Idea(name="x", motivation="", mechanism="")
    sources = ("\n".join(f"{word}{k}" for k in range(15_000)) for word in "ab")
    one, two = (Entry(index=0, candidate=Candidate.of(s, idea), events=()) for s in sources)
    assert len(source_diff(one, two)) == 2001
