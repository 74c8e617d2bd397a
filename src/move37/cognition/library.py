"""Find the cards that fit a weakness: full-text search over their words, in memory.

Measured on 230 published insights: no dense model beat lexical search, so SQLite's FTS5 with the
Porter stemmer is the default and needs nothing installed.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from move37.cognition.cards import Card
from move37.core.errors import UnknownName

WEIGHTS = (2.0, 1.0, 4.0, 1.0)  # assumed: `when` is written to match what an Analyst says
WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A card and how well it fits, in (0, 1]; the best has 1."""

    card: Card
    relevance: float


class Library:
    """Cards by id, searchable. Safe for several threads."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = {card.id: card for card in cards}
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.execute(
            "CREATE VIRTUAL TABLE cards USING fts5("
            "claim, mechanism, fits, title, id UNINDEXED, tokenize='porter unicode61')"
        )
        self._index.executemany(
            "INSERT INTO cards VALUES (?, ?, ?, ?, ?)",
            [(c.claim, c.mechanism, c.when, c.title, c.id) for c in cards],
        )

    def __len__(self) -> int:
        return len(self._cards)

    def get(self, id_: str) -> Card:
        """Return a card.

        Raises:
            UnknownName: no card has this id.
        """
        if id_ not in self._cards:
            raise UnknownName.of("card", id_, self._cards)
        return self._cards[id_]

    def search(self, query: str, *, limit: int = 5) -> tuple[Hit, ...]:
        """Return the cards that share words with the query, best first (BM25).

        Any text is a query; it is never read as search syntax.
        """
        words = sorted({w.lower() for w in WORD.findall(query)})[:200]
        if not words or limit < 1:
            return ()
        expression = " OR ".join(f'"{word}"' for word in words)
        with self._lock:
            rows = self._index.execute(
                "SELECT id, bm25(cards, ?, ?, ?, ?) AS rank FROM cards WHERE cards MATCH ? "
                "ORDER BY rank, id LIMIT ?",
                (*WEIGHTS, expression, limit),
            ).fetchall()
        best = min((rank for _, rank in rows), default=0.0)  # bm25 is negative; smaller is better
        return tuple(
            Hit(card=self._cards[id_], relevance=rank / best if best else 1.0) for id_, rank in rows
        )
