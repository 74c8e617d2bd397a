"""Connections: SQLite by path, other databases by URL; and database errors in plain words.

SQLite runs in WAL mode with synchronous=FULL: what was committed survives a power cut, not only a
kill. Write transactions take the lock at their start (BEGIN IMMEDIATE), so that two writers wait
for each other instead of failing half way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)

from move37.core.errors import LedgerError

CAUSES = {
    "SQLITE_BUSY": "is locked by another program; close that program, or wait, and run again",
    "SQLITE_LOCKED": "is locked by another program; close that program, or wait, and run again",
    "SQLITE_NOTADB": "is not a database; give the path of a move37 ledger",
    "SQLITE_CORRUPT": "is damaged (truncated or overwritten); restore it from a copy",
    "SQLITE_FULL": "has no room left on its disk; free some space and run again",
    "SQLITE_READONLY": "cannot be written (read-only file or disk); make it writable",
    "SQLITE_CANTOPEN": "cannot be opened (missing folder, no permission, or not a file)",
    "SQLITE_PERM": "cannot be opened (no permission)",
    "SQLITE_IOERR": "cannot be read or written (disk full, quota reached, or disk failing)",
    "SQLITE_TOOBIG": "cannot hold a value this large",
}


def locate(location: str | Path) -> URL:
    """Read a path or a URL.

    Raises:
        LedgerError: a URL that cannot be read.
    """
    if isinstance(location, str) and "://" in location:
        try:
            return make_url(location)
        except ArgumentError as error:
            raise LedgerError(f"{location!r} is not a database URL: {error}") from error
    return URL.create("sqlite", database=str(location))


def connect(url: URL, *, busy_seconds: float) -> Engine:
    """Make an engine; nothing is opened yet.

    Raises:
        LedgerError: no driver for this kind of database is installed.
    """
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ImportError) as error:
        raise LedgerError(
            f"no driver for {url.drivername!r} databases ({error}); for PostgreSQL install "
            "psycopg and use postgresql+psycopg://"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite(busy_seconds))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Hold one consistent view of the database.

    Raises:
        LedgerError: the database cannot be read; says why.
    """
    with plain_words(engine.url), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold the write lock; commit at the end, undo everything on any exception.

    Raises:
        LedgerError: the database cannot be written; says why. Nothing was changed.
    """
    with (
        plain_words(engine.url),
        engine.connect().execution_options(move37_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def plain_words(url: URL) -> Iterator[None]:
    """Turn a database driver's errors into LedgerErrors that name the database and the way out."""
    name = url.database if url.drivername == "sqlite" else url.render_as_string()
    try:
        yield
    except IntegrityError as error:
        raise LedgerError(f"ledger {name} refuses a second copy: {error.orig}") from error
    except DBAPIError as error:
        raise LedgerError(f"ledger {name} {_cause(error.orig)} ({error.orig})") from error
    except (SQLAlchemyError, OverflowError, UnicodeError) as error:
        raise LedgerError(f"ledger {name} cannot take this: {error}") from error


def _cause(error: BaseException | None) -> str:
    code = getattr(error, "sqlite_errorname", "")
    return CAUSES.get("_".join(code.split("_")[:2]), "failed")


def _prepare_sqlite(busy_seconds: float) -> Any:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # this module says BEGIN itself, see _begin_sqlite
        connection.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
        # FULL costs an fsync per append (measured: docs/log.md, ledger append); NORMAL could lose
        # verdicts on a power cut that a reader has already seen.
        connection.execute("PRAGMA synchronous = FULL")

    return prepare


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("move37_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
