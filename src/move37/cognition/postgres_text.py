"""Full-text search by PostgreSQL, for texts of a campaign that lives there.

The same protocol as `lexical.SqliteText`. The index is a temporary table of one connection: nothing
is left behind. PostgreSQL ranks without the rarity of words, so rarity is multiplied in.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from move37.cognition.lexical import Document, Found, query_words
from move37.core.errors import LedgerError

LABELS = "ABCD"
CREATE = "CREATE TEMPORARY TABLE cognition_texts (id text PRIMARY KEY, doc tsvector NOT NULL)"
INDEX = "CREATE INDEX ON cognition_texts USING gin (doc)"
SEARCH = text(
    """
    WITH words AS (
        SELECT DISTINCT plainto_tsquery('english', word) AS q
        FROM unnest(CAST(:words AS text[])) AS word
    ), hits AS (
        SELECT t.id, w.q, ts_rank(CAST(:weights AS real[]), t.doc, w.q) AS r
        FROM words w JOIN cognition_texts t ON t.doc @@ w.q
    ), rarity AS (
        SELECT q, ln(1 + (SELECT count(*) FROM cognition_texts) / count(*)::float) AS idf
        FROM hits GROUP BY q
    )
    SELECT id, sum(r * idf) AS score FROM hits JOIN rarity USING (q)
    GROUP BY id ORDER BY score DESC, id LIMIT :limit
    """
)


@contextmanager
def plain_words() -> Iterator[None]:
    """Say what became of the server, never its URL: it may hold a password."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or type(error).__name__
        raise LedgerError(f"PostgreSQL's full-text search failed: {cause}") from error


class PostgresText:
    """Documents of up to four fields, ranked by weighted word frequency and rarity. Threadsafe."""

    def __init__(self, url: str, weights: Sequence[float]) -> None:
        if not 1 <= len(weights) <= len(LABELS):
            raise ValueError(f"PostgreSQL weighs 1 to {len(LABELS)} fields, not {len(weights)}")
        padded = [*weights, *[0.0] * (len(LABELS) - len(weights))]
        self._weights = [w / max(weights) for w in reversed(padded)]  # its order is D, C, B, A
        self._n_fields = len(weights)
        self._lock = threading.Lock()
        # autocommit: a campaign lasts for days, and an open transaction would hold vacuum back
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with plain_words():
            self._connection = self._engine.connect()
            self._connection.execute(text(CREATE))
            self._connection.execute(text(INDEX))
        vector = " || ".join(
            f"setweight(to_tsvector('english', :f{i}), '{LABELS[i]}')"
            for i in range(self._n_fields)
        )
        self._insert = text(
            f"INSERT INTO cognition_texts VALUES (:id, {vector}) "  # noqa: S608 - names are ours
            "ON CONFLICT (id) DO UPDATE SET doc = EXCLUDED.doc"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the index and the connection."""
        self._connection.close()
        self._engine.dispose()

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents; an id that is there already is replaced."""
        rows = [
            {"id": d.id, **{f"f{i}": f.replace("\x00", " ") for i, f in enumerate(d.fields)}}
            for d in documents
        ]
        if rows:
            with self._lock, plain_words():
                self._connection.execute(self._insert, rows)

    def search(self, query: str, *, limit: int) -> tuple[Found, ...]:
        """Return documents that share words with the query, best first; ties by id."""
        words = query_words(query)
        if not words or limit < 1:
            return ()
        values = {"words": words, "weights": self._weights, "limit": limit}
        with self._lock, plain_words():
            rows = self._connection.execute(SEARCH, values).all()
        return tuple(Found(id=row.id, score=float(row.score)) for row in rows)
