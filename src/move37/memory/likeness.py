"""Whose normal form is nearest, exactly, without comparing with everyone.

Programs are alike by the runs of tokens they share (`forms.distance`). The rare runs of a new
program already say of most known ones that they share too few, so those are counted first, by lists
of who has them; only who may still be nearest is compared in full.
"""

from __future__ import annotations

from array import array
from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from move37.memory.syntax.canonical import SKETCH, NormalForm

N_LISTS = 2**16
"""Runs share lists by their last bits: that bounds memory, and who is counted too often is only
compared in vain."""
QUARTER = SKETCH // 4
FIRST = 64
"""Who shares most so far: compared to learn what is near."""
ENOUGH = 2_000  # assumed: rather compare so many than count another quarter of the runs
ROWS = 4_096

Places = NDArray[np.intp]


class Likeness:
    """Normal forms by name, two kilobytes each. Not threadsafe."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._digests: list[str] = []
        self._alike: dict[str, list[int]] = {}
        """Places by digest."""
        self._sketches = np.zeros((64, SKETCH), dtype=np.uint32)
        self._sizes = np.zeros(64, dtype=np.int64)
        self._lists = [array("I") for _ in range(N_LISTS)]

    def add(self, name: str, form: NormalForm) -> int:
        """Add a form under a new name; return its place."""
        place, n = len(self._names), len(form.sketch)
        if place == len(self._sizes):
            self._sketches = np.concatenate([self._sketches, np.zeros_like(self._sketches)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._names.append(name)
        self._digests.append(form.digest)
        self._alike.setdefault(form.digest, []).append(place)
        self._sketches[place, :n] = form.sketch
        self._sizes[place] = n
        for number in {gram % N_LISTS for gram in form.sketch}:
            self._lists[number].append(place)
        return place

    def at(self, place: int) -> NormalForm:
        """Return the form at a place."""
        sketch = self._sketches[place, : self._sizes[place]]
        return NormalForm(digest=self._digests[place], sketch=tuple(sketch.tolist()))

    def nearest(self, form: NormalForm, known: Container[str]) -> tuple[float, set[str]]:
        """Return the smallest distance to the known ones, and all of them at that distance.

        As comparing with each by `forms.distance` would; who shares nothing is not named.
        """
        share, names = 0.0, set[str]()
        may_be = self._may_be_nearest(form, known) if self._names else np.array([], dtype=np.intp)
        for start in range(0, len(may_be), ROWS):
            places = may_be[start : start + ROWS]
            shares = self._shares(form, places)
            largest = float(shares.max())
            if largest > share:
                share, names = largest, set()
            if largest == share > 0.0:
                names |= {self._names[place] for place in places[shares == share]}
        return 1.0 - share, names

    def _may_be_nearest(self, form: NormalForm, known: Container[str]) -> Places:
        """Return places with the nearest among them: who shares enough of what was counted."""
        alike = self._known_of(np.array(self._alike.get(form.digest, []), dtype=np.intp), known)
        lists = sorted((self._lists[gram % N_LISTS] for gram in form.sketch), key=len)
        n_shared = np.zeros(len(self._names), dtype=np.int16)
        may_be, share = np.arange(len(self._names)), float(len(alike) > 0)
        for start in range(0, len(lists), QUARTER):
            counted = lists[start : start + QUARTER]
            for places in filter(len, counted):
                n_shared[np.frombuffer(places, dtype=np.uint32)] += 1
            cut = max(len(n_shared) - FIRST, 0)
            most = self._known_of(np.argpartition(n_shared, cut)[cut:], known)
            share = max([share, *self._shares(form, most).tolist()])
            n_left = len(lists) - start - len(counted)
            # whoever has this share shares at least so many: it is of len(lists) runs or more
            may_be = np.flatnonzero(n_shared >= share * len(lists) - n_left - 1e-6)
            if len(may_be) <= ENOUGH:
                break
        return self._known_of(np.union1d(may_be, alike), known)

    def _known_of(self, places: Places, known: Container[str]) -> Places:
        return np.array([p for p in places.tolist() if self._names[p] in known], dtype=np.intp)

    def _shares(self, form: NormalForm, places: Places) -> NDArray[np.float64]:
        """Return of the smallest hashes of both, which share both have; 1 for one normal form."""
        ours = np.array(form.sketch, dtype=np.uint32)
        theirs, sizes = self._sketches[places], self._sizes[places]
        order = np.arange(SKETCH)
        below = np.searchsorted(ours, theirs)
        both = np.zeros(theirs.shape, dtype=bool)
        if len(ours):
            both = ours[np.minimum(below, len(ours) - 1)] == theirs
        both &= order < sizes[:, None]
        rank = below + order - (np.cumsum(both, axis=1) - both)  # among the hashes of either
        n_shared = np.sum(both & (rank < SKETCH), axis=1)
        n_smallest = np.minimum(len(ours) + sizes - np.sum(both, axis=1), SKETCH)
        shares = n_shared / np.maximum(n_smallest, 1)
        is_same = [self._digests[place] == form.digest for place in places.tolist()]
        return np.where(is_same, 1.0, shares)
