"""One index for cards, lessons and motivations: by words, by meaning, and both fused.

    index = Index(weights=(1.0,), embedder=HashedNgrams())
    index.add([Document(id="3f2a…", fields=("why the layer should work",))])
    index.search("a weakness in words")     # best first, by reciprocal-rank fusion
    index.nearest("a new motivation")       # by cosine alone: how alike, in (0, 1]

Not a store: it lives in memory and is filled from the ledger or the cards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from move37.cognition.dense import Embedder, VectorIndex
from move37.cognition.lexical import Document, Found, SqliteText, TextIndex

How = Literal["lexical", "dense", "fused"]
RANK_OFFSET = 60  # Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009
POOL = 50
"""How many of each list are fused."""


class Index:
    """Documents searchable by words and by meaning."""

    def __init__(
        self,
        documents: Iterable[Document] = (),
        *,
        embedder: Embedder,
        weights: Sequence[float] = (1.0,),
        text: TextIndex | None = None,
    ) -> None:
        self._text = text or SqliteText(weights)
        self._vectors = VectorIndex(embedder, weights)
        self.add(documents)

    def __len__(self) -> int:
        return len(self._vectors)

    def add(self, documents: Iterable[Document]) -> None:
        """Add documents; an id that is there already is replaced."""
        batch = list(documents)
        self._text.add(batch)
        self._vectors.add(batch)

    def search(self, query: str, *, limit: int = 5, how: How = "fused") -> tuple[Found, ...]:
        """Return the documents that fit, best first. Any text is a query, never search syntax."""
        if how == "lexical":
            return self._text.search(query, limit=limit)
        if how == "dense":
            return self._vectors.search(query, limit=limit)
        lists = (
            self._text.search(query, limit=POOL),
            self._vectors.search(query, limit=POOL),
        )
        return fuse(lists)[: max(0, limit)]

    def nearest(self, text: str, *, limit: int = 1) -> tuple[Found, ...]:
        """Return the most alike documents with their cosine in (0, 1], best first."""
        return self._vectors.search(text, limit=limit)


def fuse(lists: Iterable[Sequence[Found]], *, offset: int = RANK_OFFSET) -> tuple[Found, ...]:
    """Join ranked lists: each document scores the sum of 1 / (offset + its rank in each list)."""
    scores: defaultdict[str, float] = defaultdict(float)
    for found in lists:
        for rank, document in enumerate(found, start=1):
            scores[document.id] += 1 / (offset + rank)
    ordered = sorted(scores, key=lambda id_: (-scores[id_], id_))
    return tuple(Found(id=id_, score=scores[id_]) for id_ in ordered)
