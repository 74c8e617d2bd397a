"""When to stop: a clock that earlier sessions have already used, and a flag that Ctrl-C sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from move37.core.config import BudgetConfig
from move37.core.events import SessionClosed, SessionOpened

MOST_KEPT = 0.6  # of the budget, for confirmation, however slow the machine is


class Stopwatch:
    """Wall clock of a campaign over all its sessions, and the request to stop.

    Args:
        budget: what the campaign may use in all.
        used_seconds: what earlier sessions used, see `used_before`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        budget: BudgetConfig,
        *,
        used_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._used = used_seconds
        self._clock = clock
        self._start = clock()
        self._stop = threading.Event()

    @property
    def session_seconds(self) -> float:
        """Wall clock since this session began."""
        return self._clock() - self._start

    @property
    def left_seconds(self) -> float:
        """Wall clock left to the campaign; never below 0."""
        return max(0.0, self._budget.wall_seconds - self._used - self.session_seconds)

    def search_left_seconds(self, *, reserve_seconds: float = 0.0) -> float:
        """Return the wall clock left before confirmation must begin.

        Args:
            reserve_seconds: what one confirmation takes; kept, up to MOST_KEPT of the budget, where
                the configured share is less.
        """
        budget = self._budget.wall_seconds
        share = max(self._budget.confirm_share, min(reserve_seconds / budget, MOST_KEPT))
        return max(0.0, self.left_seconds - share * budget)

    def may_search(self, index: int, *, reserve_seconds: float = 0.0) -> bool:
        """Whether candidate `index` may begin."""
        limit = self._budget.max_candidates
        has_time = self.search_left_seconds(reserve_seconds=reserve_seconds) > 0
        return (limit is None or index < limit) and has_time and not self.is_stopped

    def may_go_on(self) -> bool:
        """Whether anything at all may begin."""
        return self.left_seconds > 0 and not self.is_stopped

    def stop(self) -> None:
        """Ask everyone to come to an end."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()


def used_seconds(sessions: Iterable[tuple[float, object]], *, is_shared: bool, now: float) -> float:
    """Return the wall clock that a campaign's searches used, for whoever shows it.

    Args:
        sessions: as for `used_before`.
        is_shared: whether several drivers may work on it at a time.
        now: seconds since 1970; a last session that was not closed lasts until then.
    """
    told = [*sessions, (now, None)]
    return used_together(told, now=now) if is_shared else used_before(told)


def used_together(sessions: Iterable[tuple[float, object]], *, now: float) -> float:
    """Return the wall clock during which at least one driver worked: one budget for all of them.

    Args:
        sessions: as for `used_before`; sessions of dead drivers must have been closed, those of
            verifications are left out.
        now: seconds since 1970; a session that was never closed lasts until then.
    """
    spans: list[tuple[float, float]] = []
    opened: dict[str, float] = {}
    for moment, event in sessions:
        match event:
            case SessionOpened(driver=driver, purpose="search"):
                opened[driver] = moment
            case SessionClosed(driver=driver) if driver in opened:
                begin = opened.pop(driver)
                spans.append((begin, begin + event.wall_seconds))
    spans += [(begin, now) for begin in opened.values()]
    total, end = 0.0, 0.0
    for begin, last in sorted(spans):
        total += max(0.0, last - max(begin, end))
        end = max(end, last)
    return total


def used_before(sessions: Iterable[tuple[float, object]]) -> float:
    """Return the wall clock that earlier sessions used, killed ones included.

    Args:
        sessions: (time in seconds, event) for every event of the campaign, in order. A session
            that was never closed is counted to its last event; verifications are not counted.
    """
    total, opened, last, counts = 0.0, None, 0.0, True
    for moment, event in sessions:
        match event:
            case SessionOpened():
                if opened is not None:
                    total += last - opened
                counts = event.purpose == "search"
                opened = moment if counts else None
            case SessionClosed():
                total += event.wall_seconds if counts else 0.0
                opened = None
        last = moment
    return total + (last - opened if opened is not None else 0.0)
