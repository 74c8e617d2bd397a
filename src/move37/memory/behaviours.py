"""The fingerprints of a campaign's candidates, so that the nearest is found without reading all.

Only says who is worth a comparison; how far apart two behaviours are is `memory.novelty`.
"""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from move37.memory.pasts import beyond
from move37.memory.state import Entry

BESIDE = frozenset({"opponent", "reference"})
"""Roles of layers beside the search: who computes what they do, in other words, is no repeat."""
ROWS = 8_192
"""Compared at a time: they stay in the processor's cache."""
SLACK = 1e-9  # of a distance, which is computed here to 1e-14


class Behaviours:
    """Fingerprints of those that passed their probes, in the order of candidates. Threadsafe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[str] = []
        self._tables: dict[int, _Table] = {}

    def near(
        self, fingerprint: tuple[float, ...], known: dict[str, Entry], *, within: float, but: str
    ) -> list[Entry]:
        """Return those that may behave most alike, or within a distance, in order; a few more too.

        Args:
            fingerprint: what to compare with.
            known: whom to search, by rising index (`State.candidates`).
            within: a distance.
            but: a candidate to leave out.
        """
        before = takewhile(lambda entry: entry.index < 0, known.values())
        roots = [e for e in before if e.role not in BESIDE]  # may be probed later
        if not _is_usable(fingerprint):
            return []
        with self._lock:
            new = beyond(self._held, known)
            if new is None:
                self._held, self._tables = [], {}
                new = [*known.values()]
            for entry in new:
                self._add(entry)
            own = self._held.index(but) if but in known else None
            table = self._tables.get(len(fingerprint), _Table(len(fingerprint)))
            places = table.near(fingerprint, among=len(known), within=within, but=own)
            found = [known[self._held[place]] for place in places]
        return [e for e in (*roots, *found) if e.probes and e.probes.passed and e.id != but]

    def _add(self, entry: Entry) -> None:
        place = len(self._held)
        self._held.append(entry.id)
        report = entry.probes if entry.index >= 0 else None
        if report and report.passed and _is_usable(report.fingerprint):
            size = len(report.fingerprint)
            self._tables.setdefault(size, _Table(size)).add(place, report.fingerprint)


class _Table:
    """Rows of one length with their places, rising."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._places = array("q")
        self._numbers = array("d")

    def add(self, place: int, row: tuple[float, ...]) -> None:
        self._places.append(place)
        self._numbers.extend(row)

    def near(
        self, row: tuple[float, ...], *, among: int, within: float, but: int | None
    ) -> list[int]:
        """Return the places below `among` that may be nearest, or within a distance."""
        n = bisect_left(self._places, among)
        if n == 0:
            return []
        apart = _distances(np.array(row), np.frombuffer(self._numbers).reshape(-1, self._size)[:n])
        own = n if but is None else bisect_left(self._places, but)
        if own < n and self._places[own] == but:
            apart[own] = np.inf
        limit = max(within, float(np.fmin.reduce(apart))) * (1 + SLACK)
        return [self._places[i] for i in np.flatnonzero(np.isnan(apart) | (apart <= limit))]


def _distances(x_N: NDArray[np.float64], rows_RN: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `behavioural_distance` to each row; no number where that needs more care."""
    apart_R = np.empty(len(rows_RN))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start in range(0, len(rows_RN), ROWS):
            rows = rows_RN[start : start + ROWS]
            lengths = np.sqrt(np.einsum("rn,rn->r", rows, rows)) + np.sqrt(x_N @ x_N)
            between = rows - x_N
            apart = np.sqrt(np.einsum("rn,rn->r", between, between)) / lengths
            is_safe = (lengths > 1e-140) & (lengths < 1e140)  # squares neither vanish nor overflow
            apart_R[start : start + ROWS] = np.where(is_safe, apart, np.nan)
    return apart_R


def _is_usable(fingerprint: tuple[float, ...]) -> bool:
    return bool(fingerprint) and all(map(math.isfinite, fingerprint))
