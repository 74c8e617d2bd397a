"""A campaign's own texts, searchable: lessons and motivations, indexed as they come.

An index holds exactly what was asked about the last time, so what it finds depends on that alone:
not on what is in flight, nor on the session that asks. Texts of a campaign on PostgreSQL are
searched by PostgreSQL's full text, those of a file by FTS5.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from move37.cognition.dense import HashedNgrams, VectorIndex
from move37.cognition.lexical import Document, Found, TextIndex
from move37.cognition.postgres_text import PostgresText
from move37.cognition.retrieval import Index
from move37.core.candidate import Candidate
from move37.core.events import LessonWritten
from move37.memory.database import locate
from move37.memory.pasts import beyond
from move37.memory.state import Entry

T = TypeVar("T")


@dataclass(kw_only=True)
class _Growing(Generic[T]):
    """An index of a list that mostly grows at its end."""

    make: Callable[[], Index]
    document: Callable[[T], Document]
    held: list[T] = field(default_factory=list)
    index: Index | None = None

    def of(self, items: Sequence[T]) -> Index:
        """Return an index that holds these items and no others."""
        n = len(self.held)
        is_more = n <= len(items) and all(map(operator.is_, self.held, items))
        if self.index is None or not is_more:
            self.index, self.held, n = self.make(), [], 0
        self.index.add(self.document(item) for item in items[n:])
        self.held = list(items)
        return self.index


class _Motivations:
    """An index of the longest past it was asked about; of a shorter one the beginning is searched.

    So a step costs what came since, and steps side by side do not make it anew.
    """

    def __init__(self) -> None:
        self._held: list[str] = []
        self._index = VectorIndex(HashedNgrams())

    def nearest(self, known: dict[str, Entry], words: str, limit: int) -> tuple[Found, ...]:
        """Return the most alike among these and no others."""
        new = beyond(self._held, known)
        if new is None:
            self._held, self._index = [], VectorIndex(HashedNgrams())
            new = [*known.values()]
        self._held += [entry.id for entry in new]
        self._index.add(_motivation(entry.candidate) for entry in new)
        return self._index.search(words, limit=limit, among=len(known))


class Archive:
    """Lessons and motivations of one campaign. Threadsafe; close it at the end.

    Args:
        database: URL of the campaign's PostgreSQL; None: its ledger is a file.
    """

    def __init__(self, database: str | None = None) -> None:
        self._database = database
        self._texts: list[PostgresText] = []
        self._lock = threading.Lock()
        self._lessons: dict[str, _Growing[LessonWritten]] = {}
        self._motivations = _Motivations()

    def lessons(
        self, known: Sequence[LessonWritten], query: str, *, limit: int, arm: str = ""
    ) -> tuple[str, ...]:
        """Return the candidates whose lessons fit a question, best first.

        Args:
            known: the lessons to search, in order.
            query: any text.
            limit: at most so many.
            arm: whose lessons they are; each arm's grow by themselves.
        """
        with self._lock:
            if arm not in self._lessons:
                self._lessons[arm] = _Growing(make=self._new_index, document=_lesson)
            found = self._lessons[arm].of(known).search(query, limit=limit)
        return tuple(hit.id for hit in found)

    def motivations(
        self, known: dict[str, Entry], candidate: Candidate, *, limit: int
    ) -> tuple[tuple[str, float], ...]:
        """Return the candidates whose motivation is most alike, with the cosine, nearest first.

        Args:
            known: whom to compare with, by rising index (`State.candidates`).
            candidate: whose motivation it is; itself left out.
            limit: at most so many.
        """
        with self._lock:
            found = self._motivations.nearest(known, motivation_words(candidate), limit + 1)
        return tuple((hit.id, hit.score) for hit in found if hit.id != candidate.id)[:limit]

    def close(self) -> None:
        """Give the database's connections back."""
        for text in self._texts:
            text.close()

    def _new_index(self) -> Index:
        text: TextIndex | None = None
        if self._database is not None:
            url = locate(self._database).render_as_string(hide_password=False)
            self._texts.append(PostgresText(url, (1.0,)))
            text = self._texts[-1]
        return Index(embedder=HashedNgrams(), text=text)


def motivation_words(candidate: Candidate) -> str:
    """Return what a candidate's motivation is compared by."""
    return f"{candidate.idea.motivation}\n{candidate.idea.mechanism}"


def _motivation(candidate: Candidate) -> Document:
    return Document(id=candidate.id, fields=(motivation_words(candidate),))


def _lesson(lesson: LessonWritten) -> Document:
    return Document(id=lesson.candidate_id, fields=(lesson.text,))
