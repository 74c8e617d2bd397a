"""Short, read-only questions to a run's ledger. Every call is one small transaction.

The database is opened read-only (`mode=ro`), so that nothing here can write, migrate or hold the
campaign back: in WAL mode a reader never blocks a writer. Bodies of events are handed on as plain
JSON; a kind that this version does not know is still shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, func, inspect, select, table, text
from sqlalchemy.sql import column

from move37 import __version__
from move37.core.errors import LedgerError
from move37.memory.database import connect, plain_words, reading
from move37.memory.migrate import REVISIONS
from move37.memory.schema import campaigns, candidates, events, lineage, trials, verdicts
from move37.memory.verify import Difference, first_difference

BUSY_SECONDS = 2.0
MAX_EVENTS = 5_000
"""Events handed out by one question about one candidate or one kind."""

Row = dict[str, Any]


class Reader:
    """One run's ledger, read-only. Safe for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._check_there()
        place = f"file:{quote(str(path.absolute()))}"
        url = URL.create("sqlite", database=place, query={"mode": "ro", "uri": "true"})
        self._engine: Engine = connect(url, busy_seconds=BUSY_SECONDS)
        try:
            with self._reading() as connection:
                self._check_version(connection)
                names = list(connection.scalars(select(campaigns.c.campaign).limit(2)))
        except BaseException:
            self.close()
            raise
        if not names:
            raise LedgerError(f"run {path.parent.name!r} holds no campaign yet")
        self.campaign = names[0]

    def close(self) -> None:
        """Give the database back."""
        self._engine.dispose()

    def totals(self) -> Row:
        """Return the campaign's totals: events, head, candidates, trials, CPU seconds."""
        return self._rows(select(campaigns).where(campaigns.c.campaign == self.campaign))[0]

    def nodes(self) -> list[Row]:
        """Return every candidate, in order of appearance, without its source."""
        return self._rows(
            select(candidates).where(candidates.c.campaign == self.campaign)
            .order_by(candidates.c.seq)
        )  # fmt: skip

    def parents(self) -> list[Row]:
        """Return every edge of the lineage; position 0 is the first parent."""
        c = lineage.c
        return self._rows(
            select(c.candidate_index, c.child, c.position, c.parent)
            .where(c.campaign == self.campaign)
            .order_by(c.candidate_index, c.position)
        )

    def verdicts(self) -> list[Row]:
        """Return every verdict with the time it was reached, in order."""
        c = verdicts.c
        return self._rows(
            select(verdicts, events.c.time)
            .join(events, (events.c.campaign == c.campaign) & (events.c.seq == c.seq))
            .where(c.campaign == self.campaign)
            .order_by(c.seq)
        )

    def failures(self) -> dict[str, int]:
        """Return how many probes and trials ended in each way but completed."""
        found: dict[str, int] = {}
        for column_ in (trials.c.outcome, candidates.c.probes):
            rows = (
                select(column_, func.count())
                .where(column_.table.c.campaign == self.campaign)
                .group_by(column_)
            )
            with self._reading() as connection:
                for kind, n in connection.execute(rows):
                    if kind and kind != "completed":
                        found[kind] = found.get(kind, 0) + n
        return found

    def unfinished_trials(self, since: int) -> list[Row]:
        """Return trials that began at or after event `since` and have no end."""
        done = {
            (r["candidate"], r["stage"], r["rung"], r["seed"])
            for r in self._rows(
                select(trials.c.candidate, trials.c.stage, trials.c.rung, trials.c.seed).where(
                    trials.c.campaign == self.campaign, trials.c.seq >= since
                )
            )
        }
        begun = self.of_kinds(["TrialStarted"], since=since)
        key = ("candidate_id", "stage", "rung", "seed")
        return [r for r in begun if tuple(r["body"]["spec"][k] for k in key) not in done]

    def latest_by_index(self, limit: int = 64) -> list[Row]:
        """Return the last event of each of the newest indices that have no verdict yet."""
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
        return self._rows(rows.order_by(c.candidate_index))

    def sessions(self) -> list[Row]:
        """Return start, openings and closings, with the time of each."""
        return self.of_kinds(["CampaignStarted", "SessionOpened", "SessionClosed"])

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

    def elements(self) -> list[Row]:
        """Return the design elements that every candidate declares, without its source."""
        inner = "json_extract(body, '$.candidate.idea.elements') AS body"
        statement = text(
            f"SELECT seq, json_extract(body, '$.candidate.id') AS id, {inner} FROM events "  # noqa: S608
            "WHERE campaign = :campaign AND kind IN ('CandidateProposed', 'CandidateRepaired') "
            "ORDER BY seq"
        )
        return self._read(statement.bindparams(campaign=self.campaign))

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
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _read(self, statement: Any) -> list[Row]:
        rows = self._rows(statement)
        for row in rows:
            row["body"] = _parsed(row["body"], self.path)
        return rows

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._check_there()
        with plain_words(self._engine.url), reading(self._engine) as connection:
            yield connection

    def _check_there(self) -> None:
        try:
            with self.path.open("rb") as file:
                start = file.read(16)
        except OSError as error:
            raise LedgerError(
                f"run {self.path.parent.name!r} is gone: {self.path} cannot be read "
                f"({error.strerror})"
            ) from error
        if start != b"SQLite format 3\0":
            raise LedgerError(f"{self.path} is not a move37 ledger; restore it from a copy")

    def _check_version(self, connection: Connection) -> None:
        if not {"alembic_version", "events", "campaigns"} <= set(
            inspect(connection).get_table_names()
        ):
            raise LedgerError(f"{self.path} is not a move37 ledger")
        found = connection.scalar(
            select(column("version_num")).select_from(table("alembic_version"))
        )
        if found == REVISIONS[-1]:
            return
        if found in REVISIONS:
            raise LedgerError(
                f"{self.path} is of an older move37; bring it up to date with: move37 status "
                f"{self.path.parent.name}"
            )
        raise LedgerError(
            f"{self.path} was made by a newer move37 (schema {found}; move37 {__version__} knows "
            f"up to {REVISIONS[-1]}); upgrade move37"
        )


def _parsed(body: str | None, path: Path) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError as error:
        raise LedgerError(
            f"{path} holds an event that is not JSON ({error}); see move37 ledger verify"
        ) from error
