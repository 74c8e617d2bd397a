"""A campaign's own texts, searched.

A1  An index that grew finds what one made at once finds; what is no longer asked about is gone.
A2  On PostgreSQL the words of lessons are searched there.
"""

from __future__ import annotations

import time

import psycopg
from test_lessons_shown import state_of

from move37.campaign.archive import Archive, motivation_words
from move37.campaign.shown import N_LESSONS, N_NEWEST, lessons_for
from move37.cognition.dense import HashedNgrams
from move37.cognition.lexical import Document
from move37.cognition.retrieval import Index
from move37.core.candidate import Candidate, Idea
from move37.memory.state import Entry

pytest_plugins = ("move37.testing.postgres",)

WORDS = ["decay", "erases", "recall", "state", "gate", "writes", "copies", "keys", "shift", "norm"]


def texts(n: int) -> list[str]:
    return [
        " ".join(WORDS[(k * 7 + i * i) % len(WORDS)] for i in range(6)) + f" {k}" for k in range(n)
    ]


def test_an_index_that_grew_finds_what_one_made_at_once_finds():
    """A1: also after a step back, and with another arm's lessons beside it."""
    lessons = state_of(texts(90)).lessons
    archive = Archive()
    for n in (10, 40, 41, 90, 20, 60):
        known = lessons[:n]
        once = Index(
            [Document(id=x.candidate_id, fields=(x.text,)) for x in known], embedder=HashedNgrams()
        )
        fresh = tuple(hit.id for hit in once.search("which gate forgets keys", limit=7))
        assert archive.lessons(known, "which gate forgets keys", limit=7) == fresh
        other = archive.lessons(lessons[50:55], "gate", limit=7, arm="control")
        assert set(other) <= {x.candidate_id for x in lessons[50:55]}
    archive.close()


def entries(sources: range, motivations: list[str]) -> dict[str, Entry]:
    made = [
        Candidate.of(f"class Mixer: n = {k}", Idea(name="n", motivation=text, mechanism="S = gS"))
        for k, text in zip(sources, motivations, strict=True)
    ]
    return {c.id: Entry(index=k, candidate=c, events=()) for k, c in enumerate(made)}


def found_at_once(known: dict[str, Entry], candidate: Candidate, limit: int) -> list[str]:
    index = Index(
        [
            Document(id=id_, fields=(motivation_words(entry.candidate),))
            for id_, entry in known.items()
            if id_ != candidate.id
        ],
        embedder=HashedNgrams(),
    )
    return [hit.id for hit in index.nearest(motivation_words(candidate), limit=limit)]


def test_the_nearest_motivations_leave_out_the_candidate_itself():
    """A1."""
    known = entries(range(30), texts(30))
    asked = [*known.values()][4].candidate
    near = Archive().motivations(known, asked, limit=3)
    assert [id_ for id_, _ in near] == found_at_once(known, asked, 3)
    assert all(0 < score <= 1.0001 for _, score in near)


def test_motivations_of_a_shorter_past_and_of_another_arm_are_those_alone():
    """A1: steps side by side ask about pasts of several lengths, in any order."""
    told = [
        " ".join(f"{word}{k * (i + 3) % 97}" for i, word in enumerate(WORDS)) for k in range(75)
    ]
    everyone, others = entries(range(60), told[:60]), entries(range(50, 75), told[50:])
    asked = Candidate.of("class Mixer: 1", Idea(name="n", motivation=told[33][:40], mechanism="g"))
    archive = Archive()
    for known in (
        *(dict([*everyone.items()][:n]) for n in (10, 40, 38, 41, 60, 0, 12)),
        others,
        everyone,
    ):
        near = archive.motivations(known, asked, limit=6)
        assert [id_ for id_, _ in near] == found_at_once(known, asked, 6)


def test_lessons_of_a_campaign_on_postgresql_are_searched_there(postgres):
    """A2: the index is a table of the server as long as the archive is open, and then gone."""
    found = [f"nothing of note, number {i}" for i in range(120)]
    found[3] = "rotations hurt permutations of five objects"
    state, url = state_of(found), postgres()
    archive = Archive(url)
    chosen = lessons_for("a permutation of an object fails", state, archive)
    assert state.lessons[3] in chosen
    assert chosen[-N_NEWEST:] == state.lessons[-N_NEWEST:]
    assert len(chosen) <= N_LESSONS
    assert n_tables(url) == 1
    archive.close()
    deadline = time.monotonic() + 30
    while (
        n_tables(url) and time.monotonic() < deadline
    ):  # the server ends a session on its own time
        time.sleep(0.1)
    assert n_tables(url) == 0


def n_tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relname = 'cognition_texts'"
        ).fetchone()
    assert row is not None
    return row[0]
