"""Alembic's entry point: migrate on the connection that `memory.migrate.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from move37.memory.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
