"""The first ledger: events and their projections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "events",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("candidate_index", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("events_by_index", "events", ["campaign", "candidate_index", "kind", "seq"])
    op.create_index("events_by_kind", "events", ["campaign", "kind", "seq"])
    op.create_table(
        "campaigns",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("n_events", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("n_candidates", sa.BigInteger(), nullable=False),
        sa.Column("n_trials", sa.BigInteger(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=False),
    )
    op.create_table(
        "candidates",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("candidate_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("is_novel", sa.Boolean()),
        sa.Column("probes", sa.Text()),
        sa.Column("verdict", sa.Text()),
        sa.Column("fitness", sa.Double()),
        sa.Column("quality", sa.Double()),
    )
    op.create_index("candidates_by_fitness", "candidates", ["campaign", "fitness"])
    op.create_index("candidates_by_id", "candidates", ["campaign", "id", "candidate_index"])
    op.create_table(
        "lineage",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("candidate_index", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("child", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("parent", sa.String(64), nullable=False),
    )
    op.create_index("lineage_by_parent", "lineage", ["campaign", "parent"])
    op.create_table(
        "trials",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("candidate", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), primary_key=True),
        sa.Column("rung", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seed", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("candidate_index", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cpu_seconds", sa.Double()),
        sa.Column("wall_seconds", sa.Double()),
    )
    op.create_table(
        "measurements",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("candidate", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(16), primary_key=True),
        sa.Column("rung", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seed", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("task", sa.String(64), primary_key=True),
        sa.Column("nats", sa.Double(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=False),
        sa.Column("n_answers", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "verdicts",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("candidate_index", sa.Integer(), nullable=False),
        sa.Column("candidate", sa.String(64), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("effect", sa.Double()),
        sa.Column("effect_low", sa.Double()),
        sa.Column("effect_high", sa.Double()),
        sa.Column("n_pairs", sa.Integer()),
        sa.Column("e_value", sa.Double()),
        sa.Column("fitness", sa.Double()),
    )
    op.create_index("verdicts_by_candidate", "verdicts", ["campaign", "candidate", "seq"])
    op.create_table(
        "lessons",
        sa.Column("campaign", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("candidate_index", sa.Integer(), nullable=False),
        sa.Column("candidate", sa.String(64), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("prediction_held", sa.Boolean()),
    )
    op.create_index("lessons_by_candidate", "lessons", ["campaign", "candidate", "seq"])
