"""Bring a database to the tables of this version, or say why that cannot be.

A new SQLite ledger is made beside its final name and moved there when complete, so that a kill at
any moment leaves either no ledger or a whole one.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, func, inspect, select, table
from sqlalchemy.sql import column

from move37 import __version__
from move37.core.errors import LedgerError, NoCampaign
from move37.memory.database import connect, is_sqlite, name_of, plain_words, reading, writing
from move37.memory.projections import rebuild

SQLITE_START = b"SQLite format 3\0"
MIGRATION_LOCK = 0x6D6F7665  # "move": drivers that open one database together take turns
REVISIONS = ("0001", "0002")
"""All migrations in order; the last is what this version writes."""


def open_database(url: URL, *, create: bool, busy_seconds: float) -> Engine:
    """Open a ledger's database at this version's schema.

    Raises:
        LedgerError: missing (and not `create`), not a ledger, newer than this move37, damaged,
            locked, or not writable.
    """
    path = _sqlite_path(url)
    if path is not None:
        _check_file(path, create=create)
        if not path.exists():
            _make_file(path, busy_seconds=busy_seconds)
    engine = connect(url, busy_seconds=busy_seconds)
    try:
        _bring_up_to_date(engine, create=create or url.database == ":memory:")
        if path is not None and is_sqlite(engine):
            _use_write_ahead_log(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade(connection: Connection) -> None:
    """Run the missing migrations inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _sqlite_path(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    return Path(str(url.database))


def _check_file(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise LedgerError(f"ledger {path} is a folder; give the path of a file")
    if not path.exists():
        if not create:
            raise NoCampaign(f"there is no ledger at {path}; `move37 run` makes one")
        return
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE_START))
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error}") from error
    if not start:
        raise LedgerError(
            f"ledger {path} is empty: it was truncated, or is no ledger; restore it from a copy, "
            "or delete it to begin anew"
        )
    # SQLite itself would take a file of a few bytes for an empty database and overwrite it.
    if start != SQLITE_START:
        raise LedgerError(f"ledger {path} is not a database; give the path of a move37 ledger")


def _make_file(path: Path, *, busy_seconds: float) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = connect(URL.create("sqlite", database=str(draft)), busy_seconds=busy_seconds)
        try:
            with writing(engine) as connection:
                upgrade(connection)
        finally:
            engine.dispose()
        _publish(draft, path)
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be made: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # the draft may never have come to be
            draft.unlink()


def _publish(draft: Path, path: Path) -> None:
    """Give the draft its name, unless another process was faster."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _bring_up_to_date(engine: Engine, *, create: bool) -> None:
    with reading(engine) as connection:
        revision = _revision(connection, engine.url, create=create)
    if revision == REVISIONS[-1]:
        return
    with writing(engine) as connection:
        take_turns(connection)
        # Read again under the lock: another process may have migrated meanwhile.
        known = _revision(connection, engine.url, create=create)
        if known != REVISIONS[-1]:
            upgrade(connection)
        if known is not None and known != REVISIONS[-1]:
            rebuild(connection)


def take_turns(connection: Connection) -> None:
    """Wait until nobody else makes tables or campaigns; until the transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite's writers wait for each other anyway
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))


def _revision(connection: Connection, url: URL, *, create: bool) -> str | None:
    names = set(inspect(connection).get_table_names())
    name = name_of(url)
    if not names and create:
        return None
    if not names and connection.dialect.name != "sqlite":
        raise NoCampaign(f"database {name} is empty; move37 run --database begins a run there")
    if not {"alembic_version", "events", "campaigns"} <= names:
        raise LedgerError(f"database {name} is not a move37 ledger; give the path of one")
    revision = connection.scalar(
        select(column("version_num")).select_from(table("alembic_version"))
    )
    if revision not in REVISIONS:
        raise LedgerError(
            f"ledger {name} was made by a newer move37 (schema {revision}; move37 {__version__} "
            f"knows up to {REVISIONS[-1]}); upgrade move37"
        )
    return revision


def _use_write_ahead_log(engine: Engine) -> None:
    with plain_words(engine.url), engine.connect() as connection:
        # Past SQLAlchemy, which would begin a transaction: the mode cannot change inside one.
        cursor = connection.connection.cursor()
        mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        cursor.close()
    if mode != "wal":
        raise LedgerError(
            f"ledger {engine.url.database} cannot use SQLite's write-ahead log here (a network "
            "disk?); put the run folder on a local disk"
        )
