"""Check a ledger against itself: the hash chain, each event's reading, and every projection.

The projections are made again, event by event, in a scratch database and compared row by row.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, create_engine

from move37.core.errors import LedgerError
from move37.memory.database import plain_words, reading
from move37.memory.projections import open_campaign, project, rows_of
from move37.memory.record import GENESIS, Record, link, read_row
from move37.memory.schema import PROJECTIONS, events, metadata


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The first place where a ledger is not what it should be."""

    table: str
    where: str
    """Key of the row."""
    what: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.table}, {self.where}: {self.what}"


class _Found(Exception):
    """Carries the answer out of the checks."""

    def __init__(self, table: str, where: str, what: str) -> None:
        super().__init__(what)
        self.difference = Difference(table=table, where=where, what=what)


def first_difference(engine: Engine, campaign: str) -> Difference | None:
    """Recompute everything from the events; return the first difference, or None."""
    scratch = create_engine("sqlite://")
    try:
        with reading(engine) as real, plain_words(scratch.url), scratch.begin() as remade:
            _check_pages(real)
            metadata.create_all(remade)
            open_campaign(remade, campaign, GENESIS)
            with closing(_checked_records(real, campaign)) as records:
                for record in records:
                    _project(remade, campaign, record)
            for table in PROJECTIONS:
                _compare(table, campaign, real, remade)
    except _Found as found:
        return found.difference
    finally:
        scratch.dispose()
    return None


def _check_pages(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        answer = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if answer != "ok":
            raise _Found("database", "pages", str(answer))


def _checked_records(connection: Connection, campaign: str) -> Generator[Record, None, None]:
    with closing(rows_of(connection, events, campaign)) as rows:
        yield from _checked(rows)


def _checked(rows: Iterable[Row[Any]]) -> Iterator[Record]:
    previous = GENESIS
    for seq, row in enumerate(rows):
        _check_link(row, seq, previous)
        try:
            record = read_row(row)
        except LedgerError as error:
            raise _Found("events", f"seq {seq}", str(error)) from error
        index = record.event.index
        if index != row.candidate_index:
            raise _Found(
                "events", f"seq {seq}", f"index {row.candidate_index}, the body says {index}"
            )
        previous = row.hash
        yield record


def _check_link(row: Row[Any], seq: int, previous: str) -> None:
    where = f"seq {seq}"
    if row.seq != seq:
        raise _Found("events", where, f"is missing; the next event there is seq {row.seq}")
    if row.previous != previous:
        raise _Found("events", where, f"previous hash is {row.previous!r}, expected {previous!r}")
    expected = link(
        previous=previous,
        campaign=row.campaign,
        seq=row.seq,
        time=row.time,
        index=row.candidate_index,
        kind=row.kind,
        version=row.version,
        body=row.body,
    )
    if row.hash != expected:
        raise _Found("events", where, f"hash is {row.hash!r}, the row's content gives {expected!r}")


def _project(connection: Connection, campaign: str, record: Record) -> None:
    try:
        project(connection, campaign, record)
    except LedgerError as error:
        raise _Found("events", f"seq {record.seq}", str(error)) from error


def _compare(table: Table, campaign: str, real: Connection, remade: Connection) -> None:
    with (
        closing(rows_of(real, table, campaign)) as there,
        closing(rows_of(remade, table, campaign)) as due,
    ):
        _compare_rows(table, there, due)


def _compare_rows(table: Table, there: Iterable[Row[Any]], due: Iterable[Row[Any]]) -> None:
    for found, expected in zip_longest(there, due):
        if found is None:
            raise _Found(table.name, _where(table, expected), "is missing")
        if expected is None:
            raise _Found(table.name, _where(table, found), "is there, but no event made it")
        if tuple(found) != tuple(expected):
            raise _Found(table.name, _where(table, expected), _first_column(found, expected))


def _where(table: Table, row: Row[Any]) -> str:
    values = row._asdict()
    names = [c.name for c in table.primary_key.columns if c.name != "campaign"]
    return ", ".join(f"{name} {values[name]!r}" for name in names) or "the only row"


def _first_column(found: Row[Any], expected: Row[Any]) -> str:
    for name, is_there, should_be in zip(found._fields, found, expected, strict=True):
        if is_there != should_be or type(is_there) is not type(should_be):
            return f"{name} is {is_there!r}, the events give {should_be!r}"
    return f"is {tuple(found)!r}, the events give {tuple(expected)!r}"
