"""How well a search finds what people judged relevant: precision at 5, reciprocal rank.

The judged queries are `tests/cognition/judged.toml`; `bench/retrieval.py` prints the table and a
test keeps the level.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

Search = Callable[[str], Sequence[str]]
"""Gives the ids found for a text, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A query and the ids that a person holds relevant to it."""

    text: str
    relevant: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Means over queries, each in [0, 1]."""

    precision_at_5: float
    """Share of relevant among the first five."""
    best_possible: float
    """What `precision_at_5` would be if all relevant came first: some queries have fewer than 5."""
    reciprocal_rank: float
    """One over the rank of the first relevant; 0 where none is found."""


def read_judged(path: Path) -> tuple[Judged, ...]:
    """Return the judged queries of a file."""
    rows = tomllib.loads(path.read_text("utf-8"))["queries"]
    return tuple(Judged(text=r["text"], relevant=frozenset(r["relevant"])) for r in rows)


def quality(search: Search, queries: Iterable[Judged]) -> Quality:
    """Return how well a search does on judged queries."""
    found = [(search(query.text), query.relevant) for query in queries]
    n = len(found)
    return Quality(
        precision_at_5=sum(len(relevant.intersection(ids[:5])) for ids, relevant in found) / 5 / n,
        best_possible=sum(min(5, len(relevant)) for _, relevant in found) / 5 / n,
        reciprocal_rank=sum(_reciprocal_rank(ids, relevant) for ids, relevant in found) / n,
    )


def _reciprocal_rank(ids: Sequence[str], relevant: frozenset[str]) -> float:
    ranks = (rank for rank, id_ in enumerate(ids, start=1) if id_ in relevant)
    return 1 / next(ranks, float("inf"))
