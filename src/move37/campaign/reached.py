"""Who reached a level of the search, with which effect: kept from step to step, for racing."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from move37.memory.pasts import beyond
from move37.memory.state import Entry


@dataclass(kw_only=True)
class _Level:
    """Those who reached one level, by their places among all candidates."""

    held: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    effects: list[tuple[str, float]] = field(default_factory=list)


class Reached:
    """Combined search effects of finished candidates, by level. Threadsafe.

    Of finished candidates only (the lag rule), so what was found once stays as it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: dict[int, _Level] = {}
        self._known: dict[tuple[str, int], float | None] = {}

    def at(
        self, level: int, known: dict[str, Entry], effect: Callable[[str], float | None]
    ) -> dict[str, float]:
        """Return the effects of those candidates that reached a level, by rising index.

        Args:
            level: of the search.
            known: whom to look at (`State.candidates`); roots do not count.
            effect: gives a candidate's effect there, None if it never got there; asked once.
        """
        with self._lock:
            kept = self._levels.setdefault(level, _Level())
            new = beyond(kept.held, known)
            if new is None:
                kept = self._levels[level] = _Level()
                new = [*known.values()]
            for entry in new:
                self._take(kept, level, entry, effect)
            return dict(kept.effects[: bisect_left(kept.places, len(known))])

    def _take(
        self, kept: _Level, level: int, entry: Entry, effect: Callable[[str], float | None]
    ) -> None:
        if entry.index >= 0 and (entry.id, level) not in self._known:
            self._known[entry.id, level] = effect(entry.id)
        found = self._known.get((entry.id, level))
        if found is not None:
            kept.places.append(len(kept.held))
            kept.effects.append((entry.id, found))
        kept.held.append(entry.id)
