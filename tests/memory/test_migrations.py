"""Migrations and the tables they make.

Invariant M1: the migrations lead to exactly the tables of schema.py.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from move37.memory import migrate
from move37.memory.ledger import Ledger
from move37.memory.schema import metadata
from move37.testing.store_contract import story


def test_the_migrations_lead_to_the_tables_of_the_schema():
    """M1."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate.upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        made = inspect(connection)
        for table in metadata.tables.values():
            key = made.get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key.columns]
            for column in made.get_columns(table.name):
                assert column["nullable"] == table.c[column["name"]].nullable, (table, column)
    engine.dispose()


def test_the_list_of_revisions_is_the_one_on_disk():
    """M1: `move37` looks at the list first, so that opening needs no Alembic."""
    script = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    on_disk = [revision.revision for revision in script.walk_revisions()][::-1]
    assert tuple(on_disk) == migrate.REVISIONS


def test_opening_a_ledger_of_this_version_does_not_load_alembic(tmp_path):
    code = (
        "import sys; from move37.memory.ledger import Ledger; "
        "Ledger.open(sys.argv[1]).close(); assert 'alembic' not in sys.modules"
    )
    path = tmp_path / "ledger.db"
    Ledger.open(path, create=True).close()
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)


def test_a_ledger_of_the_first_version_is_brought_up_to_date_and_verifies(tmp_path):
    """M1: what was added is filled from the events."""
    path = tmp_path / "first" / "ledger.db"
    with Ledger.open(path, create=True) as ledger:
        ledger.append(*story())
    with sqlite3.connect(path) as connection:
        for dropped in ("TABLE usage", "TABLE leases", "TABLE standings"):
            connection.execute(f"DROP {dropped}")
        for index in ("lineage_by_child", "trials_by_seq"):
            connection.execute(f"DROP INDEX {index}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with Ledger.open(path) as ledger:
        assert ledger.verify() is None
        assert list(ledger.events()) == story()
