"""One session of a campaign: prepare, search, confirm, compare; in a thread, to be watched.

The main thread keeps the screen and Ctrl-C. A stop shuts the laboratory; whatever was in flight is
not recorded, and the next session takes it up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from move37.campaign import rejudging, stages
from move37.campaign.floor import record_floor
from move37.campaign.loop import search
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
    EXHAUSTED = "the researcher has nothing new to propose"
    FUNDS = "the language models have used all they may"


class Session(threading.Thread):
    """The work of one session, off the main thread."""

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(name="campaign", daemon=True)
        self._workshop = workshop
        self.stage = "preparing"
        """What is being done now, for a screen."""
        self.note = ""
        """What is to be said beside the ending."""
        self.ending: Ending | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()
        """Set at the end. Wait on this: before Python 3.13 an interrupted `join` takes a living
        thread for a dead one (bpo-45274)."""

    def run(self) -> None:
        """Do all stages; leave how it ended in `ending` or `error`."""
        try:
            with ThreadPoolExecutor(self._workshop.n_workers) as pool:
                self.ending = self._stages(pool)
        except Stopped as stopped:
            self.ending = Ending.STOPPED if self._workshop.watch.is_stopped else None
            self.error = None if self.ending else stopped
        except BaseException as error:  # noqa: BLE001 - carried to the main thread, raised there
            self.error = error
        finally:
            self.done.set()

    def _stages(self, pool: ThreadPoolExecutor) -> Ending:
        workshop = self._workshop
        stages.prepare(workshop, pool)
        record_floor(workshop)
        self.stage = "searching"
        ending = None
        try:
            search(workshop, pool)
        except NoProposal as error:
            ending, self.note = Ending.EXHAUSTED, str(error)
        except OutOfFunds as error:
            ending, self.note = Ending.FUNDS, str(error)
        rejudging.rejudge_all(workshop)
        self.stage = "confirming"
        stages.confirm(workshop, pool)
        self.stage = "comparing"
        stages.meet_opponents(workshop, pool)
        record_floor(workshop)
        if workshop.watch.is_stopped:
            return Ending.STOPPED
        limit = workshop.config.budget.max_candidates
        n_finished = len(workshop.tally.refresh().finished)
        all_tried = limit is not None and n_finished >= limit
        return ending or (Ending.CANDIDATES if all_tried else Ending.BUDGET)


def work(workshop: Workshop, watch: Callable[[Session, Progress], None]) -> Ending:
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
    ending = session.ending
    reason = ": ".join(filter(None, (str(session.error or ending), session.note)))
    workshop.close_session(reason, failed=session.error is not None)
    if session.error is not None:
        raise session.error
    if ending is None:
        raise AssertionError("a session ended without an ending and without an error")
    return ending


def _catch_up(workshop: Workshop, progress: Progress, seen: int) -> tuple[Progress, int]:
    for record in workshop.ledger.records(since=seen):
        progress = advance(progress, record.event)
        seen = record.seq + 1
    return progress, seen
