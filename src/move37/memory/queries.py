"""Questions to a ledger that are answered at once, however long its history: SQL on projections.

For surfaces, and for whoever need not fold all events. What these say of a ledger equals what
`State` says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, func, literal, select

from move37.core.events import VerdictReached
from move37.memory.contenders import EVERYWHERE, N_ISLANDS, UNFIT, Contender
from move37.memory.database import reading
from move37.memory.ledger import Ledger, record_of
from move37.memory.schema import (
    campaigns,
    candidates,
    events,
    lineage,
    standings,
    trials,
    usage,
    verdicts,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What a campaign has come to, in numbers."""

    n_events: int
    n_candidates: int
    n_trials: int
    cpu_seconds: float
    standings: Mapping[str, int]
    """Kind of verdict -> candidates, roots included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """What one kind of work used in all."""

    used_by: str
    n_times: int
    cpu_seconds: float
    wall_seconds: float
    input_tokens: int
    output_tokens: int
    dollars: float


def totals(ledger: Ledger) -> Totals:
    """Count events, candidates, trials, and candidates by verdict."""
    s = standings.c
    with reading(ledger.engine) as connection:
        row = connection.execute(
            select(campaigns).where(campaigns.c.campaign == ledger.campaign)
        ).one()
        counted = _counts(
            connection,
            select(s.verdict, s.n_candidates).where(
                s.campaign == ledger.campaign, s.n_candidates > 0
            ),
        )
    return Totals(
        n_events=row.n_events,
        n_candidates=row.n_candidates,
        n_trials=row.n_trials,
        cpu_seconds=row.cpu_seconds,
        standings=counted,
    )


def used(ledger: Ledger, *, index: int) -> list[Used]:
    """List what one candidate's index used, by kind of work."""
    c = usage.c
    rows = select(usage).where(c.campaign == ledger.campaign, c.candidate_index == index)
    with reading(ledger.engine) as connection:
        found = connection.execute(rows.order_by(c.used_by)).mappings().all()
    hidden = {"campaign", "candidate_index"}
    return [Used(**{k: v for k, v in row.items() if k not in hidden}) for row in found]


def line(ledger: Ledger, id_: str, *, depth: int = 1000) -> list[str]:
    """Return a candidate's line of first parents, from itself to a root or `depth` back."""
    c = lineage.c
    here = select(literal(id_).label("id"), literal(0).label("back")).cte("line", recursive=True)
    parent = (  # not a join: SQLite would read all of the table into a Bloom filter first
        select(c.parent)
        .where(c.campaign == ledger.campaign, c.child == here.c.id, c.position == 0)
        .where(c.parent != c.child)
        .limit(1)
        .scalar_subquery()
    )
    step = select(parent, here.c.back + 1).where(here.c.id.is_not(None), here.c.back < depth)
    walk = here.union(step)
    with reading(ledger.engine) as connection:
        rows = connection.execute(
            select(walk.c.id).where(walk.c.id.is_not(None)).order_by(walk.c.back)
        )
        return list(dict.fromkeys(rows.scalars()))


def best_contenders(
    ledger: Ledger,
    *,
    before_index: int | None = None,
    limit: int = 50,
    wanted: Callable[[int], bool] | None = None,
    in_full: bool = True,
    with_effects: bool = False,
) -> list[Contender]:
    """List the roots and the fittest that may be parents: what rank-based rules choose from.

    Equal to the best of `contenders(ledger.state(before_index))`, but that it does not fold. It
    holds as long as a candidate's index tells of its own candidates only, as campaigns do: a
    verdict that a later index told about an earlier candidate would count here at once.

    Args:
        ledger: of the campaign.
        before_index: leave out this and later candidates.
        limit: ranks beside the roots; see `selection.reads_best`.
        wanted: says of an index whether its candidates count; an arm, an island.
        in_full: count seeds and children too, which no rule that reads the best alone looks at.
        with_effects: read each task's effect too, which the `pareto` rule looks at; costs the
            reading of as many events.
    """
    c = candidates.c
    earlier = candidates.alias("earlier").c
    first = ~(  # of one proposed twice, the first appearance is the candidate
        select(earlier.id)
        .where(earlier.campaign == c.campaign, earlier.id == c.id)
        .where(earlier.candidate_index < c.candidate_index)
        .exists()
    )
    place = c.candidate_index + 0  # or SQLite walks all places, and sorts them by fitness
    unfit = func.coalesce(c.verdict, "").in_([kind.value for kind in UNFIT])
    columns = select(c.id, c.candidate_index, c.fitness).where(c.campaign == ledger.campaign)
    ranked = columns.where(place >= 0, c.fitness.is_not(None), ~unfit, first).order_by(
        c.fitness.desc(), c.candidate_index, c.id
    )
    if before_index is not None:
        ranked = ranked.where(place < max(before_index, 0))
    roots = columns.where(c.candidate_index == -1, c.role == "root", ~unfit)
    with reading(ledger.engine) as connection:
        rows = [
            *connection.execute(roots).all(),
            *_first(connection, ranked, limit, wanted or (lambda _: True)),
        ]
        ids = [row.id for row in rows]
        seeds = _seeds(connection, ledger.campaign, ids) if in_full else {}
        n_children = _children(connection, ledger.campaign, ids, before_index) if in_full else {}
        said = _search_verdicts(connection, ledger.campaign, ids) if with_effects else []
    effects = dict(map(_task_effects, said))
    return [
        Contender(
            id=row.id,
            index=row.candidate_index,
            fitness=row.fitness,
            n_seeds=seeds.get(row.id, 0),
            task_effects=effects.get(row.id, {}),
            n_children=n_children.get(row.id, 0),
            island=EVERYWHERE if row.candidate_index < 0 else row.candidate_index % N_ISLANDS,
        )
        for row in rows
    ]


def _first(
    connection: Connection, ranked: Select, limit: int, wanted: Callable[[int], bool]
) -> list[Row]:
    """Return the first rows whose index is wanted; reads twice as many each time until it has."""
    n_read = limit
    while True:
        rows = connection.execute(ranked.limit(n_read)).all()
        found = [row for row in rows if wanted(row.candidate_index)]
        if len(found) >= limit or len(rows) < n_read:
            return found[:limit]
        n_read *= 4


def _seeds(connection: Connection, campaign: str, ids: list[str]) -> dict[str, int]:
    t = trials.c
    rows = select(t.candidate, func.count(t.seed.distinct())).where(t.candidate.in_(ids))
    done = rows.where(t.campaign == campaign, t.stage == "search", t.outcome == "completed")
    return _counts(connection, done.group_by(t.candidate))


def _children(
    connection: Connection, campaign: str, ids: list[str], before_index: int | None
) -> dict[str, int]:
    k = lineage.c
    rows = select(k.parent, func.count(k.child.distinct())).where(k.parent.in_(ids))
    rows = rows.where(k.campaign == campaign, k.parent != k.child)
    if before_index is not None:
        rows = rows.where(k.candidate_index < max(before_index, 0))
    return _counts(connection, rows.group_by(k.parent))


def _search_verdicts(connection: Connection, campaign: str, ids: list[str]) -> Sequence[Row]:
    v = verdicts.c
    places = (  # the first verdict is the search's; what confirmation says is not for choosing
        select(func.min(v.seq)).where(v.campaign == campaign, v.candidate.in_(ids))
    ).group_by(v.candidate)
    rows = select(events).where(events.c.campaign == campaign, events.c.seq.in_(places))
    return connection.execute(rows).all()


def _counts(connection: Connection, rows: Select) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(rows)}


def _task_effects(row: Row) -> tuple[str, dict[str, float]]:
    event = record_of(row).event
    if not isinstance(event, VerdictReached):
        raise TypeError(f"event {row.seq} is no verdict")
    effects = event.verdict.task_effects or {}
    return event.candidate_id, {task: effect.mean for task, effect in effects.items()}
