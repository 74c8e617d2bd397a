"""What is kept ready for questions: each event's effect on the projection tables.

`project` runs in the same transaction as the append, and again, on a scratch database, when the
ledger is verified. It depends on nothing but the event and the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from move37.core.candidate import Candidate
from move37.core.errors import LedgerError
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    JudgementGiven,
    JudgementRevised,
    LessonWritten,
    ModelCalled,
    NoveltyJudged,
    ProbesRan,
    RootAdded,
    TrialFinished,
    VerdictReached,
)
from move37.core.trial import Trial
from move37.memory.record import GENESIS, Record, read_row
from move37.memory.schema import (
    PROJECTIONS,
    campaigns,
    candidates,
    events,
    lessons,
    lineage,
    measurements,
    standings,
    trials,
    usage,
    verdicts,
)
from move37.memory.subject import introduces, subject

NOTHING = {
    "cpu_seconds": 0.0,
    "wall_seconds": 0.0,
    "input_tokens": 0,
    "output_tokens": 0,
    "dollars": 0.0,
}


def project(connection: Connection, campaign: str, record: Record) -> None:
    """Bring the projections up to date with one more event.

    Raises:
        LedgerError: the event is about a candidate that no earlier event brought in.
    """
    event = record.event
    about = subject(event)
    if about is not None and introduces(event) is None:
        _check_known(connection, campaign, about, record.kind)
    if handler := HANDLERS.get(type(event)):
        handler(connection, campaign, record.seq, event)
    totals: dict[str, Any] = {"n_events": record.seq + 1, "head": record.hash}
    connection.execute(update(campaigns).where(campaigns.c.campaign == campaign).values(totals))


def open_campaign(connection: Connection, campaign: str, genesis: str) -> None:
    """Write the campaign's first, empty totals."""
    row = {"n_events": 0, "head": genesis, "n_candidates": 0, "n_trials": 0, "cpu_seconds": 0.0}
    connection.execute(insert(campaigns), {"campaign": campaign, **row})


def cpu_seconds(trial: Trial) -> float:
    """Return what a trial used, finished or failed; 0 where nothing is known."""
    cost = trial.measurement.cost if trial.measurement else trial.cost
    return cost.cpu_seconds if cost else 0.0


def _check_known(connection: Connection, campaign: str, candidate_id: str, kind: str) -> None:
    rows = select(candidates.c.id).where(
        candidates.c.campaign == campaign, candidates.c.id == candidate_id
    )
    if connection.execute(rows.limit(1)).first() is None:
        raise LedgerError(
            f"{kind} is about candidate {candidate_id!r}, which no RootAdded, CandidateProposed or "
            "CandidateRepaired of this campaign brought in"
        )


def _root(connection: Connection, campaign: str, seq: int, event: RootAdded) -> None:
    _insert_candidate(connection, campaign, seq, event.index, event.candidate, event.role, "")


def _proposed(connection: Connection, campaign: str, seq: int, event: CandidateProposed) -> None:
    _insert_candidate(
        connection, campaign, seq, event.index, event.candidate, "proposed", event.operator
    )


def _repaired(connection: Connection, campaign: str, seq: int, event: CandidateRepaired) -> None:
    _insert_candidate(connection, campaign, seq, event.index, event.candidate, "repaired", "repair")


def _insert_candidate(
    connection: Connection,
    campaign: str,
    seq: int,
    index: int,
    candidate: Candidate,
    role: str,
    operator: str,
) -> None:
    key = {"campaign": campaign, "candidate_index": index}
    row = {
        "id": candidate.id,
        "seq": seq,
        "name": _text(candidate.idea.name),
        "role": _text(role),
        "operator": _text(operator),
        "author": _text(candidate.author),
    }
    connection.execute(insert(candidates), key | row)
    parents = [
        key | {"child": candidate.id, "position": position, "parent": parent}
        for position, parent in enumerate(candidate.parents)
    ]
    if parents:
        connection.execute(insert(lineage), parents)
    _count(connection, campaign, {"n_candidates": campaigns.c.n_candidates + int(index >= 0)})


def _novelty(connection: Connection, campaign: str, _seq: int, event: NoveltyJudged) -> None:
    _set(connection, campaign, event.index, event.candidate_id, {"is_novel": event.is_novel})


def _probes(connection: Connection, campaign: str, _seq: int, event: ProbesRan) -> None:
    values = {"probes": event.report.outcome.value}
    _set(connection, campaign, event.index, event.candidate_id, values)


def _trial(connection: Connection, campaign: str, seq: int, event: TrialFinished) -> None:
    trial = event.trial
    spec = trial.spec
    cost = trial.measurement.cost if trial.measurement else trial.cost
    key = {
        "campaign": campaign,
        "candidate": spec.candidate_id,
        "stage": spec.stage.value,
        "rung": spec.rung,
        "seed": spec.seed,
    }
    row = {
        "candidate_index": event.index,
        "seq": seq,
        "outcome": trial.outcome.value,
        "reason": _text(trial.reason),
        "cpu_seconds": cost.cpu_seconds if cost else None,
        "wall_seconds": cost.wall_seconds if cost else None,
    }
    connection.execute(insert(trials), key | row)
    if trial.measurement:
        scores = [
            key
            | {"task": _text(task), "nats": s.nats, "accuracy": s.accuracy}
            | {"n_answers": s.n_answers}
            for task, s in trial.measurement.scores.items()
        ]
        connection.execute(insert(measurements), scores) if scores else None
    seconds = {
        "cpu_seconds": cpu_seconds(trial),
        "wall_seconds": cost.wall_seconds if cost else 0.0,
    }
    _use(connection, campaign, event.index, f"trial {spec.stage.value}", seconds)
    used = campaigns.c.cpu_seconds + cpu_seconds(trial)
    _count(connection, campaign, {"n_trials": campaigns.c.n_trials + 1, "cpu_seconds": used})


def _verdict(connection: Connection, campaign: str, seq: int, event: VerdictReached) -> None:
    verdict = event.verdict
    effect = verdict.effect
    fitness = event.fitness.value if event.fitness else None
    row = {
        "campaign": campaign,
        "seq": seq,
        "candidate_index": event.index,
        "candidate": event.candidate_id,
        "kind": verdict.kind.value,
        "reason": _text(verdict.reason),
        "effect": effect.mean if effect else None,
        "effect_low": effect.low if effect else None,
        "effect_high": effect.high if effect else None,
        "n_pairs": effect.n_pairs if effect else None,
        "e_value": verdict.e_value,
        "fitness": fitness,
    }
    connection.execute(insert(verdicts), row)
    place = _place(connection, campaign, event.index, event.candidate_id)
    before = connection.scalar(select(candidates.c.verdict).where(*place))
    _stand(connection, campaign, before, -1)
    _stand(connection, campaign, verdict.kind.value, 1)
    standing: dict[str, Any] = {"verdict": verdict.kind.value}
    if fitness is not None:
        standing["fitness"] = fitness
    _set(connection, campaign, event.index, event.candidate_id, standing)


def _judgement(connection: Connection, campaign: str, _seq: int, event: JudgementGiven) -> None:
    _set(connection, campaign, event.index, event.candidate_id, {"quality": event.quality})


def _revised(connection: Connection, campaign: str, _seq: int, event: JudgementRevised) -> None:
    values = {"quality": event.quality}
    if event.fitness is not None:
        values["fitness"] = event.fitness.value
    _set(connection, campaign, event.index, event.candidate_id, values)


def _lesson(connection: Connection, campaign: str, seq: int, event: LessonWritten) -> None:
    row = {
        "campaign": campaign,
        "seq": seq,
        "candidate_index": event.index,
        "candidate": event.candidate_id,
        "author": _text(event.author),
        "text": _text(event.text),
        "prediction_held": event.prediction_held,
    }
    connection.execute(insert(lessons), row)


def _called(connection: Connection, campaign: str, _seq: int, event: ModelCalled) -> None:
    used = {
        "wall_seconds": event.seconds,
        "input_tokens": event.input_tokens,
        "output_tokens": event.output_tokens,
        "dollars": event.dollars,
    }
    _use(connection, campaign, event.index, f"{event.role} {event.model}", used)


def _use(
    connection: Connection, campaign: str, index: int, used_by: str, used: dict[str, Any]
) -> None:
    """Add to what one index used by one kind of work."""
    key = {"campaign": campaign, "candidate_index": index, "used_by": _text(used_by)[:200]}
    amounts = {name: used.get(name, zero) for name, zero in NOTHING.items()} | {"n_times": 1}
    same = [usage.c[name] == value for name, value in key.items()]
    more = {name: usage.c[name] + amount for name, amount in amounts.items()}
    if connection.execute(update(usage).where(*same).values(more)).rowcount == 0:
        connection.execute(insert(usage), key | amounts)


def _set(
    connection: Connection, campaign: str, index: int, candidate_id: str, values: dict[str, Any]
) -> None:
    place = _place(connection, campaign, index, candidate_id)
    connection.execute(update(candidates).where(*place).values(values))


def _place(
    connection: Connection, campaign: str, index: int, candidate_id: str
) -> tuple[ColumnElement[bool], ...]:
    """Return which row is the candidate as proposed at this index, else its first appearance."""
    c = candidates.c
    same = (c.campaign == campaign) & (c.id == candidate_id)
    here = select(c.candidate_index).where(same, c.candidate_index == index)
    if connection.scalar(here) is None:
        index = connection.scalar(select(func.min(c.candidate_index)).where(same)) or 0
    return same, c.candidate_index == index


def _stand(connection: Connection, campaign: str, verdict: str | None, more: int) -> None:
    """Count one candidate more, or less, that stands there."""
    if verdict is None:
        return
    s = standings.c
    same = (s.campaign == campaign, s.verdict == verdict)
    grown = update(standings).where(*same).values(n_candidates=s.n_candidates + more)
    if connection.execute(grown).rowcount == 0:
        row = {"campaign": campaign, "verdict": verdict, "n_candidates": more}
        connection.execute(insert(standings), row)


def _count(connection: Connection, campaign: str, values: dict[str, Any]) -> None:
    connection.execute(update(campaigns).where(campaigns.c.campaign == campaign).values(values))


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd")  # PostgreSQL's text cannot hold it


HANDLERS: dict[type, Callable[[Connection, str, int, Any], None]] = {
    RootAdded: _root,
    CandidateProposed: _proposed,
    CandidateRepaired: _repaired,
    NoveltyJudged: _novelty,
    ProbesRan: _probes,
    TrialFinished: _trial,
    VerdictReached: _verdict,
    JudgementGiven: _judgement,
    JudgementRevised: _revised,
    LessonWritten: _lesson,
    ModelCalled: _called,
}


def rebuild(connection: Connection) -> None:
    """Make all projections anew from the events: after a migration that added one.

    Raises:
        LedgerError: an event does not read.
    """
    names = list(connection.scalars(select(campaigns.c.campaign)))
    for table in PROJECTIONS:
        connection.execute(delete(table))
    for campaign in names:
        open_campaign(connection, campaign, GENESIS)
        for row in list(rows_of(connection, events, campaign)):
            project(connection, campaign, read_row(row))


def rows_of(connection: Connection, table: Table, campaign: str) -> Generator[Row[Any], None, None]:
    """Iterate over one campaign's rows of a table in the order of its key; close it at the end."""
    order = [_bytewise(column, connection) for column in table.primary_key.columns]
    rows = select(table).where(table.c.campaign == campaign).order_by(*order)
    with connection.execute(rows.execution_options(yield_per=1000)) as result:
        yield from result


def _bytewise(column: Column[Any], connection: Connection) -> ColumnElement[Any]:
    """Order text as SQLite does, whatever the language PostgreSQL was set up with."""
    is_text = isinstance(column.type, String) and connection.dialect.name == "postgresql"
    return column.collate("C") if is_text else column
