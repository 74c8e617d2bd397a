"""How well each way of searching finds the cards that people judged relevant.

    python bench/retrieval.py [--postgres URL]

66 judged queries (`tests/cognition/judged.toml`), every third of them held out when settings were
chosen. Prints precision at 5 (and the best possible), mean reciprocal rank, milliseconds a query.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from move37.cognition.cards import shipped_cards
from move37.cognition.dense import HashedNgrams, LatentSemantic, VectorIndex
from move37.cognition.judging import Judged, Search, quality, read_judged
from move37.cognition.lexical import Found, SqliteText, TextIndex
from move37.cognition.library import WEIGHTS, documents_of
from move37.cognition.postgres_text import PostgresText
from move37.cognition.retrieval import POOL, fuse

JUDGED = Path(__file__).parents[1] / "tests/cognition/judged.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL of a server, to measure its full text too")
    queries = read_judged(JUDGED)
    held_out = queries[2::3]
    print(f"{len(shipped_cards())} cards, {len(queries)} queries, {len(held_out)} held out")
    print(f"{'search':34}{'P@5':>7}{'MRR':>7}{'held P@5':>10}{'held MRR':>10}{'ms':>7}")
    for name, search in searches(parser.parse_args().postgres):
        print_row(name, search, queries, held_out)
    best = quality(lambda _: [], queries).best_possible
    print(f"best possible P@5: {best:.3f} (a query has 1 to 6 relevant cards)")


def searches(postgres: str | None) -> Iterator[tuple[str, Search]]:
    documents = documents_of(shipped_cards())
    sqlite = SqliteText(WEIGHTS)
    fitted = LatentSemantic([" ".join(d.fields) for d in documents])
    latent, hashed = VectorIndex(fitted, WEIGHTS), VectorIndex(HashedNgrams(), WEIGHTS)
    indices: dict[str, TextIndex | VectorIndex] = {
        "lexical: SQLite FTS5": sqlite,
        "dense: latent semantic": latent,
        "dense: hashed n-grams": hashed,
    }
    if postgres:
        indices["lexical: PostgreSQL"] = PostgresText(postgres, WEIGHTS)
    for name, index in indices.items():
        index.add(documents)
        yield name, lambda q, index=index: ids(index.search(q, limit=10))
    yield "fused: FTS5 + latent (default)", fused(sqlite, latent)
    yield "fused: FTS5 + hashed", fused(sqlite, hashed)
    yield "fused: FTS5 + latent + hashed", fused(sqlite, latent, hashed)
    if postgres:
        yield "fused: PostgreSQL + latent", fused(indices["lexical: PostgreSQL"], latent)


def fused(*indices: TextIndex | VectorIndex) -> Search:
    return lambda q: ids(fuse([index.search(q, limit=POOL) for index in indices]))


def ids(found: Sequence[Found]) -> list[str]:
    return [f.id for f in found][:10]


def print_row(
    name: str, search: Search, queries: Sequence[Judged], held_out: Sequence[Judged]
) -> None:
    start = time.perf_counter()
    everywhere = quality(search, queries)
    milliseconds = 1000 * (time.perf_counter() - start) / len(queries)
    held = quality(search, held_out)
    print(
        f"{name:34}{everywhere.precision_at_5:7.3f}{everywhere.reciprocal_rank:7.3f}"
        f"{held.precision_at_5:10.3f}{held.reciprocal_rank:10.3f}{milliseconds:7.1f}"
    )


if __name__ == "__main__":
    main()
