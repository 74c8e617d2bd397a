"""Which lessons a Researcher reads: the newest, and of the older ones those that fit."""

from __future__ import annotations

from move37.campaign.archive import Archive
from move37.campaign.shown import N_LESSONS, N_NEWEST, lessons_for
from move37.core.candidate import Candidate, Idea
from move37.core.events import CandidateProposed, LessonWritten
from move37.memory.state import Entry, State


def state_of(texts: list[str]) -> State:
    entries = {}
    for index, text in enumerate(texts):
        made = Candidate.of(
            f"class Mixer: n = {index}", Idea(name="n", motivation="", mechanism="")
        )
        proposed = CandidateProposed(index=index, candidate=made, operator="edit")
        lesson = LessonWritten(
            index=index, candidate_id=made.id, text=text, prediction_held=None, credits={}
        )
        entries[index, made.id] = Entry(index=index, candidate=made, events=(proposed, lesson))
    return State(entries=entries)


def test_a_few_lessons_are_all_read():
    state = state_of([f"lesson {i}" for i in range(N_LESSONS)])
    assert lessons_for("recall", state, Archive()) == state.lessons


def test_of_many_lessons_old_ones_that_fit_come_with_the_newest():
    texts = [f"nothing of note, number {i}" for i in range(200)]
    texts[3] = "rotations hurt permutations of five objects"
    state = state_of(texts)
    chosen = lessons_for("permutations of objects fail", state, Archive())
    assert len(chosen) <= N_LESSONS
    assert chosen[-N_NEWEST:] == state.lessons[-N_NEWEST:]
    assert state.lessons[3] in chosen
    assert [x.index for x in chosen] == sorted(x.index for x in chosen)
