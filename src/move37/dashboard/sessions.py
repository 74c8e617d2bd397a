"""How a run stands: who is at work, how the last session ended, what the search used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from move37.campaign.folder import is_gone
from move37.campaign.stopping import used_seconds
from move37.core.events import SessionClosed, SessionOpened

Row = Mapping[str, Any]
QUIET_SECONDS = 900.0
"""Silence after which a driver of another machine is taken for dead; one of this machine is looked
for."""
NOT_BEGUN = "not begun"
IMPORTED = "imported"
RUNNING = "running"
VERIFYING = "verifying"
LOST = "lost its driver"
"""A session that was not closed and has told nothing for so long counts as lost."""
BY_HAND = "stopped by hand"
LIVE = (RUNNING, VERIFYING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How a run stands."""

    state: str
    """`running`, `verifying`, `finished: …`, `failed: …`, `stopped`, or one of the words above."""
    used_seconds: float
    """Wall clock of the search, in which at least one driver worked; verifications left out."""


def standing(sessions: Sequence[Row], *, is_shared: bool, now: float, newest: float) -> Standing:
    """Return how a run stands.

    Args:
        sessions: rows of `Reader.sessions`.
        is_shared: whether several drivers may work on it at a time.
        now: seconds since 1970.
        newest: when the last event was written.
    """
    opened = open_sessions(sessions, is_shared=is_shared)
    at_work = [row for row in opened if _is_at_work(row, now=now, newest=newest)]
    used = used_seconds(_told(sessions), is_shared=is_shared, now=now if at_work else newest)
    if at_work:
        is_search = any(_purpose(row) == "search" for row in at_work)
        return Standing(state=RUNNING if is_search else VERIFYING, used_seconds=used)
    return Standing(state=_ended(sessions), used_seconds=used)


def open_sessions(sessions: Sequence[Row], *, is_shared: bool) -> list[Row]:
    """Return the openings without a closing; of drivers that work alone, at most the last one."""
    opened: dict[str, Row] = {}
    for row in sessions:
        driver = str(row["body"].get("driver", ""))
        if row["kind"] == "SessionOpened":
            if not is_shared:
                opened.clear()
            opened[driver] = row
        elif row["kind"] == "SessionClosed":
            opened.pop(driver, None)
    return list(opened.values())


def _is_at_work(opened: Row, *, now: float, newest: float) -> bool:
    since = opened["time"] / 1e6
    gone = is_gone(str(opened["body"].get("driver", "")), since=since)
    return not gone if gone is not None else now - max(newest, since) <= QUIET_SECONDS


def _told(sessions: Sequence[Row]) -> list[tuple[float, object]]:
    """Return what `used_seconds` reads: openings with the moment of the event before, closings."""
    told: list[tuple[float, object]] = []
    for row in sessions:
        at, body = row["time"] / 1e6, row["body"]
        driver = str(body.get("driver", ""))
        if row["kind"] == "SessionOpened":
            opened = SessionOpened(
                driver=driver,
                sandboxed=bool(body.get("sandboxed", True)),
                budget_seconds=body["budget_seconds"],
                purpose=_purpose(row),
            )
            told += [(row["before"], None), (at, opened)]
        elif row["kind"] == "SessionClosed":
            lasted = body["wall_seconds"]
            told.append((at, SessionClosed(driver=driver, reason="", wall_seconds=lasted)))
    return told


def _purpose(opened: Row) -> str:
    return str(opened["body"].get("purpose", "search"))


def _ended(sessions: Sequence[Row]) -> str:
    if not sessions:
        return NOT_BEGUN
    last = sessions[-1]
    if last["kind"] == "CampaignStarted":
        return IMPORTED
    if last["kind"] == "SessionOpened":
        return LOST
    reason = str(last["body"]["reason"])
    if last["body"].get("failed"):
        return f"failed: {reason}"
    if reason.startswith(BY_HAND):
        return "stopped"
    return LOST if reason == "lost" else f"finished: {reason}"
