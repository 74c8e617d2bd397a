"""One session of a campaign: prepare, search, confirm, compare; in a thread, to be watched.

The main thread keeps the screen and Ctrl-C. A stop shuts the laboratory; whatever was in flight is
not recorded, and the next session takes it up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from move37.campaign import rejudging, stages
from move37.campaign.floor import record_floor
from move37.campaign.loop import NothingUsable, has_trained_all, search
from move37.campaign.progress import Progress, advance
from move37.campaign.workshop import Stopped, Workshop
from move37.core.errors import OutOfFunds
from move37.team.protocols import NoProposal

REFRESH_SECONDS = 0.5


class Ending(StrEnum):
    """Why a session ended."""

    BUDGET = "the budget is used"
    CANDIDATES = "all candidates were tried"
    STOPPED = "stopped by hand"
    TRAINED = "the search has trained on all the tokens it may"
    EXHAUSTED = "the researcher has nothing new to propose"
    UNUSABLE = "the team gives nothing usable"
    FUNDS = "the language models have used all they may"


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """How a session ended."""

    ending: Ending
    cause: NoProposal | OutOfFunds | None = None
    """What ended the search before its budget did."""

    @property
    def note(self) -> str:
        """What is to be said beside the ending; empty: nothing."""
        return str(self.cause or "")


class Session(threading.Thread):
    """The work of one session, off the main thread."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(name="campaign", daemon=True)
        self._workshop = workshop
        self.stage = "preparing"
        """What is being done now, for a screen."""
        self.end: End | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        """Set at the end. Wait on this: before Python 3.13 an interrupted `join` takes a living
        thread for a dead one (bpo-45274)."""

    def run(self) -> None:
        """Do all stages; leave how it ended in `end` or `error`."""
        try:
            with ThreadPoolExecutor(self._workshop.n_workers) as pool:
                self.end = self._stages(pool)
        except Stopped as stopped:
            if self._workshop.watch.is_stopped:
                self.end = End(ending=Ending.STOPPED)
            else:
                self.error = stopped
        except BaseException as error:  # noqa: BLE001 - carried to the main thread, raised there
            self.error = error
        finally:
            self.done.set()

    def _stages(self, pool: ThreadPoolExecutor) -> End:
        workshop = self._workshop
        stages.prepare(workshop, pool)
        record_floor(workshop)
        self.stage = "searching"
        cause = None
        try:
            search(workshop, pool)
        except (NoProposal, OutOfFunds) as error:
            cause = error
        rejudging.rejudge_all(workshop)
        self.stage = "confirming"
        stages.confirm(workshop, pool)
        self.stage = "comparing"
        stages.meet_opponents(workshop, pool)
        record_floor(workshop)
        if workshop.watch.is_stopped:
            return End(ending=Ending.STOPPED, cause=cause)
        return End(ending=_ending(workshop, cause), cause=cause)


def _ending(workshop: Workshop, cause: NoProposal | OutOfFunds | None) -> Ending:
    """Name what ended the search."""
    match cause:
        case OutOfFunds():
            return Ending.FUNDS
        case NothingUsable():
            return Ending.UNUSABLE
        case NoProposal():
            return Ending.EXHAUSTED
        case None:
            limit = workshop.config.budget.max_candidates
            if limit is not None and len(workshop.tally.refresh().finished) >= limit:
                return Ending.CANDIDATES
            state = workshop.ledger.state()
            return Ending.TRAINED if has_trained_all(workshop, state) else Ending.BUDGET


def work(workshop: Workshop, watch: Callable[[Session, Progress], None]) -> End:
    """Run a session to its end, showing progress; Ctrl-C stops it in good order.

    Args:
        workshop: from `open_workshop`.
        watch: called about twice a second with the session and what it has come to.

    Raises:
        LabError, LedgerError, BaselineFailed: the campaign cannot go on; what was finished is kept.
    """
    session = Session(workshop)
    progress, seen = Progress(), 0
    session.start()
    try:
        running = True
        while running:
            running = not session.done.wait(REFRESH_SECONDS)
            progress, seen = _catch_up(workshop, progress, seen)
            watch(session, progress)
    except KeyboardInterrupt:
        workshop.watch.stop()
        workshop.laboratory.close()
        session.done.wait()
    end = session.end
    said = (str(end.ending), end.note) if end else (str(session.error), "")
    workshop.close_session(": ".join(filter(None, said)), failed=session.error is not None)
    if session.error is not None:
        raise session.error
    if end is None:
        raise AssertionError("a session ended without an ending and without an error")
    return end


def _catch_up(workshop: Workshop, progress: Progress, seen: int) -> tuple[Progress, int]:
    for record in workshop.ledger.records(since=seen):
        progress = advance(progress, record.event)
        seen = record.seq + 1
    return progress, seen
