"""Claims of the drivers that share a campaign."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "leases",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
    )
