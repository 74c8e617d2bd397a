"""The ledger on a real PostgreSQL keeps the StoreContract, and fails in plain words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from move37.core.errors import LedgerError
from move37.memory.database import locate
from move37.memory.ledger import Ledger
from move37.memory.schema import metadata
from move37.testing.store_contract import StoreContract, opening, story

pytest_plugins = ("move37.testing.postgres",)

Fresh = Callable[[], str]


class TestPostgres(StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: Fresh) -> None:
        self.fresh = postgres

    def location(self, tmp_path: Path) -> str:
        return self.fresh()


def test_the_migrations_lead_to_the_tables_of_the_schema(postgres: Fresh):
    url = postgres()
    Ledger.open(url, create=True, campaign="first").close()
    engine = create_engine(locate(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_drivers_that_begin_one_campaign_together_make_one_set_of_tables(postgres: Fresh):
    url = postgres()

    def begin(_: int) -> None:
        with Ledger.open(url, create=True, campaign="first") as ledger:
            ledger.append(*opening()[:2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(4)))
    with Ledger.open(url) as ledger:
        assert ledger.head()[0] == 8
        assert ledger.verify() is None


def test_campaigns_of_one_database_are_kept_apart(postgres: Fresh):
    url = postgres()
    for name in ("one", "two"):
        with Ledger.open(url, create=True, campaign=name) as ledger:
            ledger.append(*story(1))
    with pytest.raises(LedgerError, match="several campaigns; name one: one, two"):
        Ledger.open(url)
    with Ledger.open(url, campaign="two") as ledger:
        assert list(ledger.events()) == story(1)
        assert ledger.verify() is None


def test_every_one_of_many_campaigns_is_found_by_its_name(postgres: Fresh):
    url, names = postgres(), ["e", "b", "d", "a", "c"]
    for name in names:
        Ledger.open(url, create=True, campaign=name).close()
    for name in names:
        with Ledger.open(url, campaign=name) as ledger:
            assert ledger.campaign == name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/postgres?", "/nobody_made_this?"), "is not there; create the database first"),
        (("host=/", "host=/nowhere/"), "cannot be reached"),
    ],
)
def test_what_is_wrong_with_the_server_is_said_in_plain_words(postgres: Fresh, change, words):
    with pytest.raises(LedgerError, match=words):
        Ledger.open(postgres().replace(*change), create=True, campaign="first")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@localhost:1/nothing",
        "postgresql://localhost:1/nothing?user=me&password=hunter2",
    ],
)
def test_a_password_is_never_told(url):
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url, create=True, campaign="first", busy_seconds=1)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(LedgerError) as caught:
        Ledger.open("postgresql://me:hunter2@localhost:port/x", create=True)
    assert "hunter2" not in str(caught.value)
