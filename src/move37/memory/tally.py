"""What the loop asks at every turn, kept up to date by reading what came since: never a fold.

    tally = Tally(ledger)
    tally.refresh().finished     # indices whose last candidate has its lesson, or that brought none

Reads columns of the ledger's tables, no event's text. What it says equals what the folded state
says of the same events (tests/memory/test_tally.py).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Self

from sqlalchemy import Column, Connection, Row, Select, select

from move37.core.events import CandidateProposed, CandidateRepaired, ProposalFailed
from move37.core.trial import Stage
from move37.memory.database import reading
from move37.memory.ledger import Ledger
from move37.memory.schema import candidates, events, lessons, trials

OPENS = (CandidateProposed.__name__, CandidateRepaired.__name__, ProposalFailed.__name__)


class Tally:
    """Finished indices and the longest training, by rising place in the ledger. Threadsafe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._since = 0
        self._last: dict[int, str] = {}
        """The last candidate that each index brought in."""
        self._seconds: defaultdict[tuple[str, str, int], float] = defaultdict(float)
        self._longest: defaultdict[str, float] = defaultdict(float)
        self._finished: set[int] = set()
        self._failed: set[int] = set()
        self._n_whole = 0
        self._all_longest = 0.0

    def refresh(self) -> Self:
        """Read what came since the last time."""
        with self._lock:
            with reading(self._ledger.engine) as connection:
                opened, brought, told, trained = self._news(connection)
            self._failed |= {row.candidate_index for row in opened if row.kind == OPENS[-1]}
            for row in brought:
                self._last[row.candidate_index] = row.id
                self._finished.discard(row.candidate_index)
            for row in told:
                if self._last.get(row.candidate_index) == row.candidate:
                    self._finished.add(row.candidate_index)
            self._finished |= self._failed
            for row in trained:
                self._train((row.candidate, row.stage, row.seed), row.wall_seconds or 0.0)
            last = [rows[-1].seq for rows in (opened, told, trained) if rows]
            self._since = max([self._since, *(seq + 1 for seq in last)])
            while self._n_whole in self._finished:
                self._n_whole += 1
        return self

    def _news(self, connection: Connection) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
        """Return new openings of indices, candidates, lessons and trials, each in order."""
        o, c, told, ran = events.c, candidates.c, lessons.c, trials.c

        def of_campaign(*columns: Column, since: Column) -> Select:
            table = since.table.c
            rows = select(*columns).where(table.campaign == self._ledger.campaign)
            return rows.where(since >= self._since).order_by(since)

        def read(rows: Select) -> list[Row]:
            return list(connection.execute(rows).all())

        opened = read(
            of_campaign(o.seq, o.candidate_index, o.kind, since=o.seq).where(
                o.kind.in_(OPENS), o.candidate_index >= 0
            )
        )
        new = [row.candidate_index for row in opened if row.kind != OPENS[-1]]
        rows = of_campaign(c.seq, c.candidate_index, c.id, since=c.seq)
        brought = read(rows.where(c.candidate_index >= min(new))) if new else []
        lessons_told = of_campaign(told.seq, told.candidate_index, told.candidate, since=told.seq)
        trained = of_campaign(
            ran.seq, ran.candidate, ran.stage, ran.seed, ran.wall_seconds, since=ran.seq
        )
        return opened, brought, read(lessons_told), read(trained)

    @property
    def finished(self) -> frozenset[int]:
        """Indices whose last candidate has its lesson, or that brought none."""
        with self._lock:
            return frozenset(self._finished)

    @property
    def n_whole(self) -> int:
        """How many indices, from 0 on, are finished without a gap."""
        with self._lock:
            return self._n_whole

    def is_finished(self, index: int) -> bool:
        """Say whether nothing is left to do for an index."""
        with self._lock:
            return index in self._finished

    def has_failed(self, index: int) -> bool:
        """Say whether an index brought no candidate."""
        with self._lock:
            return index in self._failed

    def longest_training_seconds(self, candidate_id: str | None = None) -> float:
        """Return the wall clock of the longest training so far, over all its rungs; 0 without one.

        Trainings at a larger scale do not count.

        Args:
            candidate_id: look at this candidate only; where it never trained, at all.
        """
        with self._lock:
            return self._longest.get(candidate_id or "", 0.0) or self._all_longest

    def _train(self, key: tuple[str, str, int], seconds: float) -> None:
        candidate_id, stage, _seed = key
        if stage == Stage.VERIFY.value:
            return
        self._seconds[key] += seconds
        total = self._seconds[key]
        self._longest[candidate_id] = max(self._longest[candidate_id], total)
        self._all_longest = max(self._all_longest, total)
