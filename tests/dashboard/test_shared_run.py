"""A run whose ledger is in a shared PostgreSQL database, on the page."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from asking import get, problem, served
from psycopg import sql
from watched_runs import PLAIN, hostile_campaign, layer, training, write

from move37.campaign.folder import RunFolder, name_driver
from move37.core.events import CandidateStarted, SessionOpened, TrialFinished, TrialStarted
from move37.memory.journal import work_key
from move37.memory.ledger import Ledger

pytest_plugins = ("move37.testing.postgres",)


@pytest.fixture
def shared(tmp_path: Path, postgres) -> tuple[Path, str]:
    """The folder of all runs, with `shared` in PostgreSQL and `first` in a file; and the URL."""
    url = postgres()
    RunFolder(path=tmp_path / "shared").at(url).keep_url()
    with Ledger.open(url, create=True, campaign="shared") as ledger:
        ledger.append(*hostile_campaign())
    write(tmp_path / "first", hostile_campaign())
    return tmp_path, url


def test_it_is_shown_and_without_its_campaign_it_is_said_to_be_gone(shared):
    runs, url = shared
    with served(runs) as server:
        assert json.loads(get(server, "/api/shared/overview")[1])["n_candidates"] == 2
        with psycopg.connect(url, autocommit=True) as database:
            tables = ("campaigns", "candidates", "trials", "verdicts", "events")
            for table in tables:
                forget = sql.SQL("delete from {} where campaign = 'shared'")
                database.execute(forget.format(sql.Identifier(table)))
        assert "no longer holds it" in problem(server, "/api/shared/overview")
        assert get(server, "/api/first/overview")[0].status == 200


def test_when_its_tables_are_dropped_the_page_says_so_and_the_other_run_still_shows(shared):
    runs, url = shared
    with served(runs) as server:
        assert get(server, "/api/shared/pulse")[0].status == 200
        with psycopg.connect(url, autocommit=True) as database:
            row = database.execute("select current_schema()").fetchone()
            assert row
            drop = sql.SQL("drop schema {} cascade").format(sql.Identifier(row[0]))
            database.execute(drop)
        words = problem(server, "/api/shared/overview")
        assert "does not exist" in words
        lines = {line["run"]: line for line in json.loads(get(server, "/api/runs")[1])}
    assert lines["first"]["n_candidates"] == 2
    assert lines["shared"]["problem"]


def test_work_whose_driver_is_gone_is_not_shown_as_going_on(shared):
    """Another driver of this run is at work; it has its own training, and holds it."""
    runs, url = shared
    orphaned = training(layer("orphaned", PLAIN.id), 7)
    events = training(layer("held", PLAIN.id), 8)
    alive = SessionOpened(driver=name_driver(), sandboxed=True, budget_seconds=480.0)
    (spec,) = [event.spec for event in events if isinstance(event, TrialStarted)]
    with Ledger.open(url, campaign="shared") as ledger, served(runs) as server:
        ledger.append(alive, *orphaned, CandidateStarted(index=9, driver="gone:1"), *events)
        leases = ledger.share("this driver")
        try:
            with ledger.holding(work_key(TrialFinished.__name__, spec)):
                shown = json.loads(get(server, "/api/shared/overview")[1])["running"]
            after = json.loads(get(server, "/api/shared/overview")[1])["running"]
        finally:
            leases.close()
    assert [who for _, who, *_ in shown] == ["#8"]
    assert after == []
