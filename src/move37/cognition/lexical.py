"""Full-text search over documents in named fields: SQLite's FTS5 in memory, or PostgreSQL.

Both take any text as a query: it is cut into words, never read as search syntax. A `TextIndex`
knows words; meaning beyond words is `dense.py`.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

WORD = re.compile(r"\w{3,}")
MAX_QUERY_WORDS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A text in fields, by id. All documents of one index have the same number of fields."""

    id: str
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A document's id and how well it fits; higher is better, the unit is the index's own."""

    id: str
    score: float


class TextIndex(Protocol):
    """Documents searchable by their words."""

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents; an id that is there already is replaced."""
        ...

    def search(self, query: str, *, limit: int) -> tuple[Found, ...]:
        """Return documents that share words with the query, best first; ties by id."""
        ...


class SqliteText:
    """FTS5 with the Porter stemmer, ranked by BM25 with weighted fields; in memory, threadsafe."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = tuple(weights)
        self._lock = threading.Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        columns = ", ".join(f"f{i}" for i in range(len(self._weights)))
        self._base.execute(
            f"CREATE VIRTUAL TABLE texts USING fts5({columns}, id UNINDEXED, "
            "tokenize='porter unicode61')"
        )
        self._rows: dict[str, int] = {}

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents; an id that is there already is replaced."""
        marks = ", ".join("?" for _ in range(len(self._weights) + 2))
        columns = ", ".join(f"f{i}" for i in range(len(self._weights)))
        with self._lock:
            for document in documents:
                if document.id in self._rows:
                    self._base.execute(
                        "DELETE FROM texts WHERE rowid = ?", (self._rows[document.id],)
                    )
                row = self._rows.setdefault(document.id, len(self._rows) + 1)
                self._base.execute(
                    f"INSERT INTO texts ({columns}, id, rowid) VALUES ({marks})",  # noqa: S608 - names are ours
                    (*document.fields, document.id, row),
                )

    def search(self, query: str, *, limit: int) -> tuple[Found, ...]:
        """Return documents that share words with the query, best first; ties by id."""
        words = query_words(query)
        if not words or limit < 1:
            return ()
        expression = " OR ".join(f'"{word}"' for word in words)
        weights = ", ".join("?" for _ in self._weights)
        with self._lock:
            rows = self._base.execute(
                f"SELECT id, bm25(texts, {weights}) AS rank FROM texts "  # noqa: S608 - only marks
                "WHERE texts MATCH ? ORDER BY rank, id LIMIT ?",
                (*self._weights, expression, limit),
            ).fetchall()
        return tuple(Found(id=id_, score=-rank) for id_, rank in rows)  # bm25 is negative


def query_words(query: str) -> list[str]:
    """Return the words of a query, each once, bounded in number."""
    return sorted({word.lower() for word in WORD.findall(query)})[:MAX_QUERY_WORDS]
