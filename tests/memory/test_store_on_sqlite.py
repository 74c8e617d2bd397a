"""The ledger on SQLite keeps the StoreContract."""

from __future__ import annotations

from pathlib import Path

from move37.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    def location(self, tmp_path: Path) -> str:
        return str(tmp_path / "first" / "ledger.db")
