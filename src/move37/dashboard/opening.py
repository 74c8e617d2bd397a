"""Databases of runs, opened so that nothing can be written."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine

from move37.memory.database import connect, locate

BUSY_SECONDS = 2.0
CONNECT_SECONDS = 5
"""How long a PostgreSQL server that does not answer is waited for."""


def open_file(path: Path) -> Engine:
    """Open an SQLite file read-only."""
    place = f"file:{quote(str(path.absolute()))}"
    url = URL.create("sqlite", database=place, query={"mode": "ro", "uri": "true"})
    return connect(url, busy_seconds=BUSY_SECONDS)


def open_server(address: str) -> Engine:
    """Open a server's database for read-only transactions.

    Raises:
        LedgerError: a URL that cannot be read, or no driver for it.
    """
    url = locate(address)
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    engine = connect(url, busy_seconds=BUSY_SECONDS)
    return engine.execution_options(postgresql_readonly=True)
