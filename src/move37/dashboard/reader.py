"""Short, read-only questions to a run's ledger. Every call is one small transaction.

The database is opened read-only (SQLite `mode=ro`, PostgreSQL read-only transactions), so that
nothing here can write, migrate or hold the campaign back: in WAL mode, as on PostgreSQL, a reader
never blocks a writer. Bodies of events are handed on as plain JSON; a kind that this version does
not know is still shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Text, cast, func, inspect, select
from sqlalchemy import table as named_table
from sqlalchemy.sql import column

from move37 import __version__
from move37.campaign.folder import RunFolder
from move37.core.errors import LedgerError
from move37.core.events import ProposalFailed, TrialFinished
from move37.core.trial import Stage, TrialSpec
from move37.dashboard.opening import open_file, open_server
from move37.memory.database import is_sqlite, name_of, plain_words, reading
from move37.memory.journal import work_key
from move37.memory.leases import INDEX, held_keys, spell
from move37.memory.migrate import REVISIONS
from move37.memory.schema import campaigns, candidates, events, lineage, trials, verdicts
from move37.memory.verify import Difference, first_difference

MAX_EVENTS = 5_000
"""Events handed out by one question about one candidate or one kind."""

Row = dict[str, Any]


class Reader:
    """One run's ledger, read-only. Safe for several threads.

    Args:
        folder: the run: its own file, or the database that it names, as for `move37 status`.

    Raises:
        LedgerError: gone, no ledger, of another version, unreachable; says which.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.name = folder.path.name
        self.folder = folder.path
        url = folder.url
        self.is_shared = url is not None
        """Whether several drivers may work on it at a time."""
        self._file = folder.ledger if url is None else None
        self._check_there()
        self._engine: Engine = open_file(folder.ledger) if url is None else open_server(url)
        try:
            with self._reading() as connection:
                self._check_version(connection)
                names = select(campaigns.c.campaign).limit(1)
                if url is not None:
                    names = names.where(campaigns.c.campaign == self.name)
                campaign = connection.scalar(names)
        except BaseException:
            self.close()
            raise
        if campaign is None:
            self.close()
            raise LedgerError(f"run {self.name!r} holds no campaign yet")
        self.campaign: str = campaign

    def close(self) -> None:
        """Give the database back."""
        self._engine.dispose()

    def totals(self) -> Row:
        """Return the campaign's totals: events, head, candidates, trials, CPU seconds."""
        rows = self._rows(select(campaigns).where(campaigns.c.campaign == self.campaign))
        if not rows:
            raise LedgerError(f"run {self.name!r} is gone: its database no longer holds it")
        return rows[0]

    def nodes(self, *, since: int = 0, also: Iterable[str] = ()) -> list[Row]:
        """Return candidates in order of appearance, without their source.

        Args:
            since: only those that appeared at or after this event,
            also: and these, by id.
        """
        c = candidates.c
        mine = c.campaign == self.campaign
        if since:
            mine &= (c.seq >= since) | c.id.in_(list(also))
        return self._rows(
            select(
                c.seq, c.id, c.candidate_index, c.name, c.role, c.operator, c.author, c.verdict
            ).where(mine).order_by(c.seq)
        )  # fmt: skip

    def node(self, id_: str, index: int) -> Row:
        """Return all that is kept about one appearance of a candidate."""
        c = candidates.c
        return self._rows(
            select(candidates).where(
                c.campaign == self.campaign, c.id == id_, c.candidate_index == index
            )
        )[0]

    def qualities(self, ids: Sequence[str]) -> dict[str, float | None]:
        """Return what the judges thought of some candidates."""
        c = candidates.c
        rows = select(c.id, c.quality).where(c.campaign == self.campaign, c.id.in_(list(ids)))
        return {r["id"]: r["quality"] for r in self._rows(rows)}

    def parents(self, since: int = 0) -> list[Row]:
        """Return the edges of the lineage; position 0 is the first parent.

        Args:
            since: only of candidates that appeared at or after this event.
        """
        c = lineage.c
        rows = select(c.child, c.position, c.parent).where(c.campaign == self.campaign)
        if since:
            n = candidates.c
            rows = rows.join(
                candidates,
                (n.campaign == c.campaign)
                & (n.candidate_index == c.candidate_index)
                & (n.id == c.child),
            ).where(n.seq >= since)
        return self._rows(rows.order_by(c.candidate_index, c.position))

    def verdicts(self, since: int = 0) -> list[Row]:
        """Return the verdicts reached at or after event `since`, in order."""
        c = verdicts.c
        return self._rows(
            select(c.seq, c.candidate, c.kind, c.effect, c.effect_low, c.effect_high, c.e_value)
            .where(c.campaign == self.campaign, c.seq >= since)
            .order_by(c.seq)
        )

    def times(self, seqs: Iterable[int]) -> dict[int, float]:
        """Return when some events were written, in seconds since 1970."""
        c = events.c
        rows = select(c.seq, c.time).where(c.campaign == self.campaign, c.seq.in_(list(seqs)))
        return {r["seq"]: r["time"] / 1e6 for r in self._rows(rows)}

    def newest(self) -> float:
        """Return when the last event was written, in seconds since 1970; 0 without any."""
        c = events.c
        rows = select(c.time).where(c.campaign == self.campaign).order_by(c.seq.desc()).limit(1)
        return next((r["time"] / 1e6 for r in self._rows(rows)), 0.0)

    def cpu_until(self, seq: int) -> float:
        """Return the CPU seconds of the trials that were finished before an event."""
        c = trials.c
        rows = select(func.sum(c.cpu_seconds).label("used"))
        found = self._rows(rows.where(c.campaign == self.campaign, c.seq < seq))
        return found[0]["used"] or 0.0

    def failures(self) -> dict[str, int]:
        """Return how many probes, trials and proposals failed in which way."""
        found: dict[str, int] = {}
        for column_, least in ((trials.c.outcome, -1), (candidates.c.probes, 0)):
            of = column_.table.c  # probes of candidates only, not of layers beside the search
            rows = (
                select(column_, func.count())
                .where(of.campaign == self.campaign, of.candidate_index >= least)
                .group_by(column_)
            )
            with self._reading() as connection:
                for kind, n in connection.execute(rows):
                    if kind and kind != "completed":
                        found[kind] = found.get(kind, 0) + n
        for row in self.of_kinds(["ProposalFailed"]):
            kind = ProposalFailed(index=-1, reason=str(row["body"]["reason"])).failure
            found[kind] = found.get(kind, 0) + 1
        return found

    def unfinished_trials(self, since: int) -> list[Row]:
        """Return trials that began at or after event `since` and have no end, each once.

        One that was begun again counts from its last start. Where drivers share the run, those
        whose driver is gone are left out.
        """
        done = {
            (r["candidate"], r["stage"], r["rung"], r["seed"])
            for r in self._rows(
                select(trials.c.candidate, trials.c.stage, trials.c.rung, trials.c.seed).where(
                    trials.c.campaign == self.campaign, trials.c.seq >= since
                )
            )
        }
        begun = self.of_kinds(["TrialStarted"], since=since, newest=MAX_EVENTS)
        key = ("candidate_id", "stage", "rung", "seed")
        last = {tuple(r["body"]["spec"][k] for k in key): r for r in begun}
        unfinished = [row for spec, row in last.items() if spec not in done]
        return self._held(unfinished, lambda row: spell(_training_key(row)))

    def latest_by_index(self, limit: int = 64) -> list[Row]:
        """Return the last event of each of the newest indices at work: without a verdict yet."""
        c = events.c
        mine = c.campaign == self.campaign
        begun = (
            select(c.candidate_index)
            .where(mine, c.kind == "CandidateStarted")
            .order_by(c.seq.desc())
            .limit(limit)
        )
        last = (
            select(func.max(c.seq)).where(mine, c.candidate_index.in_(begun))
            .group_by(c.candidate_index)
        )  # fmt: skip
        ended = select(verdicts.c.candidate_index).where(verdicts.c.campaign == self.campaign)
        rows = select(c.seq, c.time, c.candidate_index, c.kind).where(
            mine, c.seq.in_(last), c.candidate_index.not_in(ended)
        )
        found = self._rows(rows.order_by(c.candidate_index))
        return self._held(found, lambda row: f"{INDEX}{row['candidate_index']}")

    def _held(self, rows: list[Row], key: Callable[[Row], str]) -> list[Row]:
        """Keep, of a run that drivers share, what a living one holds the key of."""
        if not rows or not self.is_shared:
            return rows
        with self._reading() as connection:
            held = held_keys(connection, self.campaign)
        return [row for row in rows if key(row) in held]

    def sessions(self) -> list[Row]:
        """Return start, openings and closings, with the time of each.

        `before` is when the event before it was written, in seconds: where a session that was not
        closed had come to when the next one opened.
        """
        rows = self.of_kinds(["CampaignStarted", "SessionOpened", "SessionClosed"])
        times = self.times(row["seq"] - 1 for row in rows)
        return [row | {"before": times.get(row["seq"] - 1, row["time"] / 1e6)} for row in rows]

    def of_kinds(self, kinds: Iterable[str], *, since: int = 0, newest: int = 0) -> list[Row]:
        """Return events of some kinds in order, bodies read; `newest` keeps only the last ones."""
        c = events.c
        rows = select(c.seq, c.time, c.candidate_index, c.kind, c.body).where(
            c.campaign == self.campaign, c.kind.in_(list(kinds)), c.seq >= since
        )
        if newest:
            return list(reversed(self._read(rows.order_by(c.seq.desc()).limit(newest))))
        return self._read(rows.order_by(c.seq).limit(MAX_EVENTS))

    def at_index(self, index: int) -> list[Row]:
        """Return every event of one index, in order."""
        c = events.c
        rows = select(c.seq, c.time, c.candidate_index, c.kind, c.body, c.hash, c.previous).where(
            c.campaign == self.campaign, c.candidate_index == index
        )
        return self._read(rows.order_by(c.seq).limit(MAX_EVENTS))

    def introduced(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return, by id, the event that brought each of some candidates in first."""
        rows = (
            select(candidates.c.id, events.c.body, events.c.seq, events.c.time)
            .join(
                events,
                (events.c.campaign == candidates.c.campaign) & (events.c.seq == candidates.c.seq),
            )
            .where(candidates.c.campaign == self.campaign, candidates.c.id.in_(list(ids)))
            .order_by(candidates.c.seq.desc())
        )
        return {row["id"]: row for row in self._read(rows)}

    def trials_of(self, candidate_id: str) -> list[Row]:
        """Return every finished trial of a candidate, whichever index ran it."""
        rows = (
            select(events.c.seq, events.c.time, events.c.body)
            .join(trials, (events.c.campaign == trials.c.campaign) & (events.c.seq == trials.c.seq))
            .where(trials.c.campaign == self.campaign, trials.c.candidate == candidate_id)
        )
        return self._read(rows.order_by(events.c.seq).limit(MAX_EVENTS))

    def declared(self, what: str) -> list[Row]:
        """Return the `elements` or `predictions` of every candidate's idea, by its id."""
        c = events.c
        rows = (
            select(candidates.c.id, self._part("candidate", "idea", what).label("body"))
            .join(
                candidates,
                (candidates.c.campaign == c.campaign)
                & (candidates.c.candidate_index == c.candidate_index)  # the key's way in
                & (candidates.c.seq == c.seq),
            )
            .where(c.campaign == self.campaign)
            .where(c.kind.in_(["CandidateProposed", "CandidateRepaired"]))
        )
        return self._read(rows.order_by(c.seq))

    def event(self, seq: int) -> Row | None:
        """Return one event; None if there is none at this place."""
        c = events.c
        rows = select(c.seq, c.time, c.candidate_index, c.kind, c.body).where(
            c.campaign == self.campaign, c.seq == seq
        )
        return next(iter(self._read(rows)), None)

    def page(self, *, before: int | None, kind: str, limit: int) -> list[Row]:
        """Return events newest first: of one kind (or all, for ""), below place `before`."""
        c = events.c
        body = func.substr(c.body, 1, 600).label("text")
        rows = select(c.seq, c.time, c.candidate_index, c.kind, c.hash, body).where(
            c.campaign == self.campaign
        )
        if kind:
            rows = rows.where(c.kind == kind)
        if before is not None:
            rows = rows.where(c.seq < before)
        return self._rows(rows.order_by(c.seq.desc()).limit(limit))

    def kinds(self) -> dict[str, int]:
        """Return how many events there are of each kind."""
        c = events.c
        rows = select(c.kind, func.count().label("n")).where(c.campaign == self.campaign)
        return {r["kind"]: r["n"] for r in self._rows(rows.group_by(c.kind))}

    def verify(self) -> Difference | None:
        """Recompute the hash chain and the tables; return the first difference, or None."""
        return first_difference(self._engine, self.campaign)

    def _rows(self, statement: Any) -> list[Row]:
        with self._reading() as connection:
            found = connection.execute(statement)
            names = tuple(found.keys())
            return [dict(zip(names, row, strict=True)) for row in found]

    def _read(self, statement: Any) -> list[Row]:
        rows = self._rows(statement)
        for row in rows:
            row["body"] = self._parsed(row["body"])
        return rows

    def _part(self, *path: str) -> ColumnElement[str]:
        """A piece of an event's body, cut out by the database."""
        if is_sqlite(self._engine):
            return func.json_extract(events.c.body, f"$.{'.'.join(path)}")
        from sqlalchemy.dialects.postgresql import JSON, array  # the driver is an extra

        return cast(cast(events.c.body, JSON).op("#>")(array(path)), Text)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_there()
        with plain_words(self._engine.url), reading(self._engine) as connection:
            yield connection

    def _check_there(self) -> None:
        if self._file is None:
            return
        try:
            with self._file.open("rb") as file:
                start = file.read(16)
        except OSError as error:
            raise LedgerError(
                f"run {self.name!r} is gone: {self._file} cannot be read ({error.strerror})"
            ) from error
        if start != b"SQLite format 3\0":
            raise LedgerError(f"{self._file} is not a move37 ledger; restore it from a copy")

    def _check_version(self, connection: Connection) -> None:
        where = self._file or name_of(self._engine.url)
        wanted = {"alembic_version", "events", "campaigns"}
        if not wanted <= set(inspect(connection).get_table_names()):
            raise LedgerError(f"{where} is not a move37 ledger")
        found = connection.scalar(
            select(column("version_num")).select_from(named_table("alembic_version"))
        )
        if found == REVISIONS[-1]:
            return
        if found in REVISIONS:
            raise LedgerError(
                f"{where} is of an older move37; bring it up to date with: move37 status "
                f"{self.name}"
            )
        raise LedgerError(
            f"{where} was made by a newer move37 (schema {found}; move37 {__version__} knows "
            f"up to {REVISIONS[-1]}); upgrade move37"
        )

    def _parsed(self, body: str | None) -> Any:
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise LedgerError(
                f"run {self.name!r} holds an event that is not JSON ({error}); see move37 ledger "
                f"verify {self.name}"
            ) from error


def _training_key(started: Row) -> object:
    spec = started["body"]["spec"]
    return work_key(TrialFinished.__name__, TrialSpec(**spec | {"stage": Stage(spec["stage"])}))
