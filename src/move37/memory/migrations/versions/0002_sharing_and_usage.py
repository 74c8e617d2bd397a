"""Claims of the drivers that share a campaign; what was used, by whom; indices for counting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables and indices."""
    op.create_table(
        "leases",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("holder", sa.String(100), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("candidate_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("used_by", sa.String(200), primary_key=True),
        sa.Column("n_times", sa.BigInteger(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=False),
        sa.Column("wall_seconds", sa.Double(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("dollars", sa.Double(), nullable=False),
    )
    op.create_table(
        "standings",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("verdict", sa.String(16), primary_key=True),
        sa.Column("n_candidates", sa.BigInteger(), nullable=False),
    )
    op.create_index("lineage_by_child", "lineage", ["campaign", "child", "position"])
    op.create_index("trials_by_seq", "trials", ["campaign", "seq"])
