"""Alembic migrations of the ledger's tables; run by `memory.migrate`, never by hand."""
