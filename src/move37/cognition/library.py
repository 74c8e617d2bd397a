"""Find the cards that fit a weakness.

A card is searched by claim, mechanism, when to use it, and its paper's title; `when` weighs most,
because it is written to match what an Analyst says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from move37.cognition.cards import Card
from move37.cognition.dense import Embedder, LatentSemantic
from move37.cognition.lexical import Document
from move37.cognition.retrieval import How, Index
from move37.core.errors import UnknownName

WEIGHTS = (2.0, 0.5, 4.0, 0.5)  # measured with bench/retrieval.py: claim, mechanism, when, title
DEFAULT: How = "fused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A card and how well it fits, in (0, 1]; the best has 1."""

    card: Card
    relevance: float


class Library:
    """Cards by id, searchable. Safe for several threads. Indexed when first searched."""

    def __init__(self, cards: Sequence[Card], *, embedder: Embedder | None = None) -> None:
        self._cards = {card.id: card for card in cards}
        self._embedder = embedder

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._cards

    def get(self, id_: str) -> Card:
        """Return a card.

        Raises:
            UnknownName: no card has this id.
        """
        if id_ not in self._cards:
            raise UnknownName.of("card", id_, self._cards)
        return self._cards[id_]

    def search(self, query: str, *, limit: int = 5, how: How = DEFAULT) -> tuple[Hit, ...]:
        """Return the cards that fit the query, best first. Any text is a query."""
        found = self._index.search(query, limit=limit, how=how)
        best = found[0].score if found else 1.0
        return tuple(
            Hit(card=self._cards[f.id], relevance=f.score / best if best else 1.0) for f in found
        )

    @cached_property
    def _index(self) -> Index:
        documents = documents_of(self._cards.values())
        fitted_on = [" ".join(document.fields) for document in documents]
        return Index(
            documents, embedder=self._embedder or LatentSemantic(fitted_on), weights=WEIGHTS
        )


def documents_of(cards: Iterable[Card]) -> list[Document]:
    """Return what is searched of each card, in the order of `WEIGHTS`."""
    return [Document(id=c.id, fields=(c.claim, c.mechanism, c.when, c.title)) for c in cards]
