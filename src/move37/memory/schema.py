"""The tables: `events` is the truth, all others are projections that can be made again from it.

Portable between SQLite and PostgreSQL. `candidate_index` is an event's `index`. A change here
needs a migration in `migrations/versions`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False, doc="microseconds since 1970, UTC"),
    Column("candidate_index", Integer, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False, doc="canonical JSON, see codec"),
    Column("previous", String(64), nullable=False, doc="hash of event seq - 1"),
    Column("hash", String(64), nullable=False),
    Index("events_by_index", "campaign", "candidate_index", "kind", "seq"),
    Index("events_by_kind", "campaign", "kind", "seq"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("n_events", BigInteger, nullable=False),
    Column("head", String(64), nullable=False, doc="hash of the last event"),
    Column("n_candidates", BigInteger, nullable=False),
    Column("n_trials", BigInteger, nullable=False),
    Column("cpu_seconds", Double, nullable=False, doc="of all finished trials"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("candidate_index", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False, doc="event that holds idea and source"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, doc="root, baseline, opponent, proposed, repaired"),
    Column("operator", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("is_novel", Boolean),
    Column("probes", Text, doc="outcome of the admission probes"),
    Column("verdict", Text),
    Column("fitness", Double),
    Column("quality", Double),
    Index("candidates_by_id", "campaign", "id", "candidate_index"),
    Index("candidates_by_fitness", "campaign", "fitness"),
)

lineage = Table(
    "lineage",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("candidate_index", Integer, primary_key=True, autoincrement=False),
    Column("child", String(64), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("parent", String(64), nullable=False),
    Index("lineage_by_parent", "campaign", "parent"),
    Index("lineage_by_child", "campaign", "child", "position"),
)

trials = Table(
    "trials",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("candidate", String(64), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("rung", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("candidate_index", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cpu_seconds", Double),
    Column("wall_seconds", Double),
    Index("trials_by_seq", "campaign", "seq"),
)

measurements = Table(
    "measurements",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("candidate", String(64), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("rung", Integer, primary_key=True, autoincrement=False),
    Column("seed", BigInteger, primary_key=True, autoincrement=False),
    Column("task", String(64), primary_key=True),
    Column("nats", Double, nullable=False),
    Column("accuracy", Double, nullable=False),
    Column("n_answers", BigInteger, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("candidate_index", Integer, nullable=False),
    Column("candidate", String(64), nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("effect", Double),
    Column("effect_low", Double),
    Column("effect_high", Double),
    Column("n_pairs", Integer),
    Column("e_value", Double),
    Column("fitness", Double),
    Index("verdicts_by_candidate", "campaign", "candidate", "seq"),
)

lessons = Table(
    "lessons",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("candidate_index", Integer, nullable=False),
    Column("candidate", String(64), nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("prediction_held", Boolean),
    Index("lessons_by_candidate", "campaign", "candidate", "seq"),
)

standings = Table(
    "standings",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("verdict", String(16), primary_key=True),
    Column("n_candidates", BigInteger, nullable=False, doc="that stand there now"),
)

usage = Table(
    "usage",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("candidate_index", Integer, primary_key=True, autoincrement=False),
    Column("used_by", String(200), primary_key=True, doc="`trial STAGE` or `ROLE MODEL`"),
    Column("n_times", BigInteger, nullable=False),
    Column("cpu_seconds", Double, nullable=False),
    Column("wall_seconds", Double, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("dollars", Double, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("campaign", String(64), primary_key=True),
    Column("key", String(80), primary_key=True),
    Column("holder", String(100), nullable=False),
    Column("expires", Double, nullable=False, doc="seconds since 1970, by the database's clock"),
)
"""No projection: who works on what just now, see `memory.leases`."""

PROJECTIONS = (
    campaigns,
    candidates,
    lineage,
    trials,
    measurements,
    verdicts,
    lessons,
    standings,
    usage,
)
