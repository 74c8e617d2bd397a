"""The ledger: an append-only list of events, hash-chained, with its projections. The truth.

    with Ledger.open("runs/first/ledger.db", create=True) as ledger:
        ledger.append(CandidateStarted(index=0, driver="a"))
        ledger.state().in_flight            # frozenset({0})

Safe for several threads and processes: an append takes the database's write lock, reads where the
chain ends, and commits events and projections together. When `append` has returned, the events
survive a kill and a power cut; when it has raised, none of them is there.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TextIO, TypeVar, cast, overload

from sqlalchemy import Connection, Engine, Row, insert, select

from move37.core.errors import LedgerError, NoCampaign
from move37.core.events import Event, TrialFinished
from move37.core.trial import TrialSpec
from move37.memory.codec import VERSIONS, decode, encode, kind_of
from move37.memory.database import locate, reading, writing
from move37.memory.leases import LEASE_SECONDS, Leases, spell
from move37.memory.locks import KeyedLocks
from move37.memory.migrate import open_database, take_turns
from move37.memory.pasts import Pasts
from move37.memory.projections import open_campaign, project
from move37.memory.record import GENESIS, Record, link, read_row
from move37.memory.schema import campaigns, events, trials
from move37.memory.state import State, fold
from move37.memory.verify import Difference, first_difference

PAGE = 500
"""Rows read per transaction, so that a slow reader never holds the log back."""

E = TypeVar("E", bound=Event)


class Ledger:
    """One campaign's events. Make it with `Ledger.open`; close it, or use it as a context."""

    def __init__(self, engine: Engine, campaign: str, clock: Callable[[], float]) -> None:
        self.campaign = campaign
        self.engine = engine
        self._clock = clock
        self._locks = KeyedLocks()
        self._state = State()
        self._state_seq = 0
        self._pasts = Pasts()
        self._state_lock = threading.Lock()
        self.leases: Leases | None = None
        """This driver's claims, where several share the campaign; see `share`."""

    @classmethod
    def open(
        cls,
        location: str | Path,
        *,
        create: bool = False,
        campaign: str | None = None,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = 30.0,
    ) -> Ledger:
        """Open a ledger, bringing an older one up to date.

        Args:
            location: path of an SQLite file, or a database URL.
            create: make it if it is not there (the folder too).
            campaign: which campaign of the database; by default the only one, and for a new file
                the name of its folder (`runs/NAME/ledger.db`).
            clock: gives seconds since 1970.
            busy_seconds: how long to wait for another program's lock.

        Raises:
            LedgerError: missing, not a ledger, newer than this move37, damaged, locked, not
                writable, or campaign unclear. Says which, and the way out.
        """
        url = locate(location)
        engine = open_database(url, create=create, busy_seconds=busy_seconds)
        try:
            named = campaign or (Path(str(url.database)).absolute().parent.name or "campaign")
            with reading(engine) as connection:
                name = campaigns.c.campaign
                order = (name != campaign, name) if campaign else (name,)  # the one asked for first
                known = list(connection.scalars(select(name).order_by(*order).limit(4)))
            chosen = campaign or (known[0] if len(known) == 1 else named)
            _check_campaign(chosen, known=known, create=create, asked=campaign is not None)
            if chosen not in known:
                _begin(engine, chosen)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, chosen, clock)

    def share(self, driver: str, *, seconds: float = LEASE_SECONDS) -> Leases:
        """Take part as one of several drivers: what `holding` holds is held against all of them."""
        self.leases = Leases(self.engine, self.campaign, driver, seconds=seconds)
        return self.leases

    def append(self, *new: Event, under: object = None) -> tuple[Event, ...]:
        """Write events and their projections, all or none; return them as they will be read.

        Args:
            new: the events.
            under: a key that `holding` holds; where drivers share the campaign it must still be
                this one's.

        Raises:
            LeaseLost: another driver has taken over the work; nothing was changed.
            LedgerError: an event cannot be written (not finite, unknown candidate, a trial that is
                there already), or the database cannot be; nothing was changed.
        """
        spelled = [(kind_of(event), encode(event)) for event in new]
        read = [decode(kind, VERSIONS[kind], body) for kind, body in spelled]
        if not spelled:
            return ()
        with writing(self.engine) as connection:
            seq, head = self._end(connection)
            if under is not None and self.leases is not None:
                self.leases.check(connection, spell(under))
            for (kind, body), event in zip(spelled, read, strict=True):
                record = self._record(seq, head, kind, body, event)
                self._write(connection, record)
                seq, head = seq + 1, record.hash
        return tuple(read)

    @overload
    def events(self, kinds: Iterable[type[E]], since: int = 0) -> Iterator[E]: ...

    @overload
    def events(self, kinds: None = None, since: int = 0) -> Iterator[Event]: ...

    def events(self, kinds: Iterable[type] | None = None, since: int = 0) -> Iterator[Any]:
        """Iterate over events in order: of some kinds only, from place `since` on."""
        for record in self.records(kinds, since):
            yield record.event

    def records(self, kinds: Iterable[type] | None = None, since: int = 0) -> Iterator[Record]:
        """Iterate over events with their place, time and hash.

        Raises:
            LedgerError: an event does not read; names its place.
        """
        rows = select(events).where(events.c.campaign == self.campaign)
        if kinds is not None:
            rows = rows.where(events.c.kind.in_([kind.__name__ for kind in kinds]))
        rows = rows.order_by(events.c.seq).limit(PAGE)
        while True:
            with reading(self.engine) as connection:
                page = connection.execute(rows.where(events.c.seq >= since)).all()
            for row in page:
                yield record_of(row)
            if len(page) < PAGE:
                return
            since = page[-1].seq + 1

    def at_index(self, kind: type[E], index: int) -> list[E]:
        """Return the events of one kind that belong to one index, in order."""
        c = events.c
        rows = select(events).where(
            c.campaign == self.campaign, c.candidate_index == index, c.kind == kind.__name__
        )
        with reading(self.engine) as connection:
            page = connection.execute(rows.order_by(c.seq)).all()
        return [cast("E", record_of(row).event) for row in page]

    def trial(self, spec: TrialSpec) -> TrialFinished | None:
        """Return the finished trial with this spec, whichever index it was recorded under."""
        c = trials.c
        place = select(c.seq).where(
            c.campaign == self.campaign,
            c.candidate == spec.candidate_id,
            c.stage == spec.stage.value,
            c.rung == spec.rung,
            c.seed == spec.seed,
        )
        row = select(events).where(
            events.c.campaign == self.campaign, events.c.seq == place.scalar_subquery()
        )
        with reading(self.engine) as connection:
            found = connection.execute(row).first()
        return cast("TrialFinished", record_of(found).event) if found else None

    def state(self, before_index: int | None = None) -> State:
        """Return what is known; with `before_index`, only what candidates below it produced.

        Cost: folds only the events that came since the last call; a past is made from the one
            before, and given again as long as no new event told of it.
        """
        with self._state_lock:
            fresh = list(self.records(since=self._state_seq))
            if fresh:
                self._state = fold((r.event for r in fresh), start=self._state)
                self._state_seq = fresh[-1].seq + 1
                self._pasts.tell(r.event for r in fresh)
            if before_index is None:
                return self._state
            return self._pasts.before(self._state, before_index)

    def head(self) -> tuple[int, str]:
        """Return the number of events and the last one's hash."""
        with reading(self.engine) as connection:
            return self._end(connection)

    def verify(self) -> Difference | None:
        """Recompute the chain and the projections; return the first difference, or None.

        Raises:
            LedgerError: the database cannot be read at all.
        """
        return first_difference(self.engine, self.campaign)

    def export(self, file: TextIO) -> int:
        """Write every event as one line of JSON; return how many."""
        n_events = 0
        for record in self.records():
            row = {
                "seq": record.seq,
                "time": record.time,
                "campaign": self.campaign,
                "kind": record.kind,
                "version": record.version,
                "body": json.loads(record.body),
                "previous": record.previous,
                "hash": record.hash,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            n_events += 1
        return n_events

    @contextmanager
    def holding(self, key: object) -> Iterator[None]:
        """Hold one key among the threads, and drivers, that share this ledger."""
        with self._locks.holding(key):
            if self.leases is None:
                yield
            else:
                with self.leases.holding(spell(key)):
                    yield

    def close(self) -> None:
        """Give the database back. Nothing is lost without it."""
        if self.leases is not None:
            self.leases.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, connection: Connection) -> tuple[int, str]:
        c = campaigns.c
        row = connection.execute(
            select(c.n_events, c.head).where(c.campaign == self.campaign).with_for_update()
        ).first()
        if row is None:
            raise LedgerError(f"campaign {self.campaign!r} is gone from its ledger")
        return row.n_events, row.head

    def _record(self, seq: int, head: str, kind: str, body: str, event: Event) -> Record:
        now = round(self._clock() * 1_000_000)
        version = VERSIONS[kind]
        digest = link(
            previous=head,
            campaign=self.campaign,
            seq=seq,
            time=now,
            index=event.index,
            kind=kind,
            version=version,
            body=body,
        )
        return Record(
            seq=seq,
            time=now,
            kind=kind,
            version=version,
            body=body,
            previous=head,
            hash=digest,
            event=event,
        )

    def _write(self, connection: Connection, record: Record) -> None:
        row: dict[str, Any] = {
            "campaign": self.campaign,
            "seq": record.seq,
            "time": record.time,
            "candidate_index": record.event.index,
            "kind": record.kind,
            "version": record.version,
            "body": record.body,
            "previous": record.previous,
            "hash": record.hash,
        }
        connection.execute(insert(events), row)
        project(connection, self.campaign, record)


def record_of(row: Row[Any]) -> Record:
    """Read one row of the events table.

    Raises:
        LedgerError: it does not read; names its place.
    """
    try:
        return read_row(row)
    except LedgerError as error:
        raise LedgerError(f"event {row.seq} of campaign {row.campaign!r}: {error}") from error


def _check_campaign(chosen: str, *, known: list[str], create: bool, asked: bool) -> None:
    if chosen in known:
        return
    some = ", ".join(known[:3]) + (" …" if len(known) > 3 else "")
    if known and not asked:
        raise LedgerError(f"this database holds several campaigns; name one: {some}")
    if not create:
        raise NoCampaign(f"this ledger holds no campaign {chosen!r}; known: {some or 'none'}")
    if not chosen or len(chosen) > 64 or not chosen.isprintable():
        raise LedgerError(f"a campaign's name has 1 to 64 printable characters, got {chosen!r}")


def _begin(engine: Engine, campaign: str) -> None:
    with writing(engine) as connection:
        take_turns(connection)
        there = select(campaigns.c.campaign).where(campaigns.c.campaign == campaign)
        if connection.execute(there).first() is None:
            open_campaign(connection, campaign, GENESIS)
