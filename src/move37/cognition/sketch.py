"""Nearest vectors among hundreds of thousands: a short form of each is compared first.

The short form is the projection on the main directions of the first rows. Only those that look near
by it are compared in full, so that a search reads a fifth of the memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
EXACT_UP_TO = 20_000
"""Rows that are all compared in full; the main directions are those of as many first rows."""
N_DIRECTIONS = 96  # measured, with N_KEPT: docs/log.md, nearest motivations
N_KEPT = 2_048


class Sketch:
    """Short forms of the first `n` rows of a growing matrix."""

    def __init__(self, rows: Vectors) -> None:
        first = rows[:EXACT_UP_TO].astype(np.float64)
        _, directions = np.linalg.eigh(first.T @ first)
        self._directions = directions[:, ::-1][:, :N_DIRECTIONS].astype(np.float32)
        self._short = rows @ self._directions
        self._n = len(rows)

    def add(self, rows: Vectors) -> None:
        """Shorten the rows that came since; `rows` are all."""
        if len(rows) > len(self._short):
            more = np.zeros((max(len(rows), 2 * self._n), N_DIRECTIONS), dtype=np.float32)
            more[: self._n] = self._short[: self._n]
            self._short = more
        self._short[self._n : len(rows)] = rows[self._n :] @ self._directions
        self._n = len(rows)

    def replace(self, place: int, row: Vectors) -> None:
        """Shorten one row anew."""
        if place < self._n:
            self._short[place] = row @ self._directions

    def near(self, query: Vectors) -> NDArray[np.intp]:
        """Return the places of N_KEPT rows that look nearest, in rising order."""
        cosines = self._short[: self._n] @ (query @ self._directions)
        n = min(N_KEPT, self._n)
        return np.sort(np.argpartition(-cosines, n - 1)[:n])
