"""Who works on what, where several drivers share one campaign: claims that end with their holder.

A claim is a row with a date of expiry that a thread of its holder moves on. Whoever dies stops
moving it, and another driver takes the work over. Whoever was only slow finds at its next append
that the claim is another's, and drops what it made: see `Ledger.append`.

Claims are no part of the truth: they are not chained, not verified, and may be lost at any time.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, select, update

from move37.core.errors import LedgerError, Stopped
from move37.memory.database import reading, writing
from move37.memory.schema import campaigns, leases

LEASE_SECONDS = 30.0  # assumed: ten times what a busy machine or network was seen to stall
BEATS = 3  # renewals in the life of a lease
POLL_SECONDS = 0.2
INDEX = "index "
"""How the key of a whole candidate begins; its index follows."""


class LeaseLost(LedgerError):
    """Another driver has taken this work over; what it records counts."""


class Leases:
    """What one driver has claimed. A thread keeps it alive until `close`.

    Args:
        engine: the campaign's database.
        campaign: its name.
        driver: who claims, for people to read; made unique here.
        seconds: how long a dead driver's work waits before it is taken over.
    """

    def __init__(
        self, engine: Engine, campaign: str, driver: str, *, seconds: float = LEASE_SECONDS
    ) -> None:
        self.driver = f"{driver}/{uuid.uuid4().hex[:8]}"[:100]
        self.seconds = seconds
        self.is_stopped: Callable[[], bool] = lambda: False
        """Asked while waiting for another's claim: whether to wait no longer."""
        self._engine = engine
        self._campaign = campaign
        self._closed = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._beating.start()

    def claim(self, key: str) -> bool:
        """Claim a key that is free, expired or ours; say whether it is ours now."""
        c = leases.c
        with writing(self._engine) as connection:
            self._take_turns(connection)
            now = _now(connection)
            row = connection.execute(select(c.holder, c.expires).where(self._is(key))).first()
            expires = {"holder": self.driver, "expires": now + self.seconds}
            if row is None:
                place = {"campaign": self._campaign, "key": key}
                connection.execute(insert(leases), place | expires)
            elif row.holder == self.driver or row.expires < now:
                connection.execute(update(leases).where(self._is(key)).values(expires))
            else:
                return False
        return True

    def release(self, key: str) -> None:
        """Give a key back, if it is still ours."""
        with writing(self._engine) as connection:
            ours = leases.c.holder == self.driver
            connection.execute(delete(leases).where(self._is(key), ours))

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """Wait until the key is ours; give it back at the end.

        Raises:
            Stopped: `is_stopped` said so while another driver held the key.
        """
        while not self.claim(key):
            if self.is_stopped():
                raise Stopped("stopped while another driver did the work")
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self.release(key)

    def check(self, connection: Connection, key: str) -> None:
        """Make sure that a key is still ours, to the end of the connection's transaction.

        Raises:
            LeaseLost: it is not.
        """
        row = connection.execute(
            select(leases.c.holder).where(self._is(key)).with_for_update()
        ).first()
        if row is None or row.holder != self.driver:
            raise LeaseLost(f"{self.driver} has lost {key}: it did not show a sign of life in time")

    def others(self, prefix: str) -> bool:
        """Say whether another driver, alive, holds a key that begins so."""
        c = leases.c
        with reading(self._engine) as connection:
            rows = select(c.key).where(
                c.campaign == self._campaign,
                c.key.startswith(prefix, autoescape=True),
                c.holder != self.driver,
                c.expires >= _now(connection),
            )
            return connection.execute(rows.limit(1)).first() is not None

    def last_seen(self, key: str) -> float | None:
        """Return when a key's holder last gave a sign of life, if it is dead; None if it lives.

        Seconds since 1970; 0 for a key that nobody ever held, or that was given back.
        """
        with reading(self._engine) as connection:
            expires = connection.scalar(select(leases.c.expires).where(self._is(key)))
            if expires is not None and expires >= _now(connection):
                return None
        return 0.0 if expires is None else expires - self.seconds

    def close(self) -> None:
        """Give everything back. Without it, it expires."""
        self._closed.set()
        self._beating.join()
        with suppress(LedgerError), writing(self._engine) as connection:
            mine = (leases.c.campaign == self._campaign, leases.c.holder == self.driver)
            connection.execute(delete(leases).where(*mine))

    def _beat(self) -> None:
        c = leases.c
        while not self._closed.wait(self.seconds / BEATS):
            # a server that is gone for a moment costs a beat, not the driver
            with suppress(LedgerError), writing(self._engine) as connection:
                mine = (c.campaign == self._campaign, c.holder == self.driver)
                connection.execute(
                    update(leases).where(*mine).values(expires=_now(connection) + self.seconds)
                )

    def _is(self, key: str) -> ColumnElement[bool]:
        return (leases.c.campaign == self._campaign) & (leases.c.key == key)

    def _take_turns(self, connection: Connection) -> None:
        c = campaigns.c
        connection.execute(select(c.head).where(c.campaign == self._campaign).with_for_update())


def held_keys(connection: Connection, campaign: str) -> frozenset[str]:
    """Return what living drivers hold just now, as `spell` spells it."""
    c = leases.c
    alive = select(c.key).where(c.campaign == campaign, c.expires >= _now(connection))
    return frozenset(connection.scalars(alive))


def spell(key: object) -> str:
    """Spell any key that prints the same in every process, in at most 64 characters."""
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _now(connection: Connection) -> float:
    """Return the database's clock: drivers on several machines need one."""
    if connection.dialect.name == "postgresql":
        moment = connection.scalar(select(func.extract("epoch", func.clock_timestamp())))
        return float(moment or 0.0)
    return time.time()
