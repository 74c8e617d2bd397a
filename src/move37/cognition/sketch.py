"""Nearest vectors among hundreds of thousands: a short form of each is compared first.

The short form is the projection on the main directions of the first rows. Only those that look near
by it are compared in full, so that a search reads an eighth of the memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
EXACT_UP_TO = 20_000
"""Rows that are all compared in full; the main directions are those of as many first rows."""
N_DIRECTIONS = 64  # measured, with N_KEPT: docs/log.md, nearest motivations
N_KEPT = 2_048


class Sketch:
    """Short forms of the first `n` rows of a growing matrix."""

    def __init__(self, rows: Vectors) -> None:
        first = rows[:EXACT_UP_TO].astype(np.float64)
        _, directions = np.linalg.eigh(first.T @ first)
        self._directions = directions[:, ::-1][:, :N_DIRECTIONS].astype(np.float32)
        self._short: Vectors = np.zeros((self._directions.shape[1], 0), dtype=np.float32)
        """One column a row: twice as fast to compare as one row a row."""
        self._n = 0
        self.add(rows)

    def add(self, rows: Vectors) -> None:
        """Shorten the rows that came since; `rows` are all."""
        if len(rows) > self._short.shape[1]:
            n_more = max(len(rows), 2 * self._n)
            more = np.zeros((len(self._short), n_more), dtype=np.float32)
            more[:, : self._n] = self._short[:, : self._n]
            self._short = more
        self._short[:, self._n : len(rows)] = (rows[self._n :] @ self._directions).T
        self._n = len(rows)

    def replace(self, place: int, row: Vectors) -> None:
        """Shorten one row anew."""
        if place < self._n:
            self._short[:, place] = row @ self._directions

    def near(self, query: Vectors, *, among: int) -> NDArray[np.intp]:
        """Return the places of N_KEPT of the first rows that look nearest, in rising order."""
        # No BLAS: its threads wait for each other, and a campaign's trials keep every core busy.
        cosines = np.einsum("d,dn->n", query @ self._directions, self._short[:, :among])
        cut = max(among - N_KEPT, 0)
        return np.sort(np.argpartition(cosines, cut)[cut:])
