"""Connections: SQLite by path, other databases by URL; and database errors in plain words.

SQLite runs in WAL mode with synchronous=FULL: what was committed survives a power cut, not only a
kill. Write transactions take the lock at their start (BEGIN IMMEDIATE), so that two writers wait
for each other instead of failing half way. PostgreSQL serialises writers of one campaign by its row
lock, see `Ledger.append`; a reading is one snapshot on both.
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


POSTGRES_CAUSES = {
    "53100": "has no room left on its disk; free some space and run again",
    "53300": "has too many connections; close some, or raise max_connections",
    "25006": "cannot be written (a read-only server or replica)",
    "55P03": "is locked by another program; wait, and run again",
    "28P01": "refuses this password; mend the URL",
    "28000": "refuses this user; mend the URL or the server's pg_hba.conf",
    "3D000": "is not there; create the database first",
    "42501": "may not be used by this user; grant it the rights",
    "XX001": "is damaged; restore it from a backup",
}
POSTGRES_CLASSES = {
    "08": "cannot be reached; start the server, or mend the URL",
    "57": "is shutting down or starting up; run again when it is there",
}


REFUSALS = {"does not exist": "3D000", "password authentication failed": "28P01"}


def locate(location: str | Path) -> URL:
    """Read a path or a URL.

    Raises:
        LedgerError: a URL that cannot be read.
    """
    if isinstance(location, str) and "://" in location:
        try:
            url = make_url(location)
        except (ArgumentError, ValueError) as error:  # never told: it may hold a password
            raise LedgerError(
                "this is not a database URL; write postgresql://USER:PASSWORD@HOST/DATABASE"
            ) from error
        is_plain = url.drivername in {"postgresql", "postgres"}
        return url.set(drivername="postgresql+psycopg") if is_plain else url
    return URL.create("sqlite", database=str(location))


def connect(url: URL, *, busy_seconds: float) -> Engine:
    """Make an engine; nothing is opened yet.

    Raises:
        LedgerError: no driver for this kind of database is installed.
    """
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ImportError) as error:
        raise LedgerError(
            f"no driver for {url.drivername!r} databases ({error}); for PostgreSQL: "
            "pip install 'move37[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite(busy_seconds))
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgres(busy_seconds))
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Hold one consistent view of the database.

    Raises:
        LedgerError: the database cannot be read; says why.
    """
    options = {} if is_sqlite(engine) else {"isolation_level": "REPEATABLE READ"}
    with (
        plain_words(engine.url),
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
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
    name = name_of(url)
    try:
        yield
    except IntegrityError as error:
        raise LedgerError(f"ledger {name} refuses a second copy: {error.orig}") from error
    except DBAPIError as error:
        raise LedgerError(f"ledger {name} {_cause(error.orig)} ({error.orig})") from error
    except (SQLAlchemyError, OverflowError, UnicodeError) as error:
        raise LedgerError(f"ledger {name} cannot take this: {error}") from error


def name_of(url: URL) -> str:
    """Name a database for a person: a path, or a URL without its password, wherever it stood."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string()


def is_sqlite(engine: Engine) -> bool:
    """Whether the database is one file of this machine."""
    return engine.dialect.name == "sqlite"


def _cause(error: BaseException | None) -> str:
    if code := getattr(error, "sqlite_errorname", ""):
        return CAUSES.get("_".join(code.split("_")[:2]), "failed")
    state = getattr(error, "sqlstate", None)
    if state is None and "connect" in str(error):  # refused before there was a code
        words = str(error)
        state = next((code for said, code in REFUSALS.items() if said in words), "08001")
    known = POSTGRES_CAUSES.get(state or "") or POSTGRES_CLASSES.get((state or "")[:2])
    return known or "failed"


def _prepare_sqlite(busy_seconds: float) -> Any:
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # this module says BEGIN itself, see _begin_sqlite
        connection.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
        # FULL costs an fsync per append (measured: docs/log.md, ledger append); NORMAL could lose
        # verdicts on a power cut that a reader has already seen.
        connection.execute("PRAGMA synchronous = FULL")

    return prepare


def _prepare_postgres(busy_seconds: float) -> Any:
    def prepare(connection: Any, _record: object) -> None:
        connection.autocommit = True  # a setting made inside a transaction ends with it
        connection.execute(f"SET lock_timeout = {round(busy_seconds * 1000)}")
        connection.autocommit = False

    return prepare


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("move37_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
