"""One line of the ledger: an event with its place, its time and its link of the hash chain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from move37.core.events import Event
from move37.memory.codec import decode

GENESIS = "0" * 64
"""What the first event's `previous` holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """An event as it stands in the ledger."""

    seq: int
    """Place in the campaign, counted from 0 without gaps."""
    time: int
    """Microseconds since 1970, UTC."""
    kind: str
    version: int
    body: str
    """The event's fields as canonical JSON, see codec."""
    previous: str
    hash: str
    event: Event


def read_row(row: Row[Any]) -> Record:
    """Read one row of the events table.

    Raises:
        LedgerError: the event does not read; says why, not where.
    """
    return Record(
        seq=row.seq,
        time=row.time,
        kind=row.kind,
        version=row.version,
        body=row.body,
        previous=row.previous,
        hash=row.hash,
        event=decode(row.kind, row.version, row.body),
    )


def link(
    *,
    previous: str,
    campaign: str,
    seq: int,
    time: int,
    index: int,
    kind: str,
    version: int,
    body: str,
) -> str:
    """Compute an event's hash: SHA-256 over the previous hash and everything the row holds.

    The chain shows that nothing was changed by accident or by a careless hand. It is no signature:
    whoever can rewrite the whole file can make a new chain, and a cut-off tail leaves a whole one;
    compare `Ledger.head` with a copy kept elsewhere.
    """
    head = f"{previous}\n{campaign}\n{seq}\n{time}\n{index}\n{kind}\n{version}\n"
    return hashlib.sha256(f"{head}{body}".encode()).hexdigest()
