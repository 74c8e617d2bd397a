"""Keep the arrays drawn last: with one seed, every candidate trains on the same ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeAlias

import numpy as np

Arrays: TypeAlias = tuple[np.ndarray, ...]


class RecentArrays:
    """A few arrays by key, the least recently used forgotten first. For threads; read-only arrays.

    Args:
        max_bytes: of all arrays together; larger ones are handed on and not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Arrays] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, draw: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of a key, drawn now unless they are still there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            arrays = draw()
            for array in arrays:
                array.flags.writeable = False
            self._kept[key] = arrays
            while sum(map(_size, self._kept.values())) > self._max_bytes:
                self._kept.popitem(last=False)
            return arrays


def _size(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays)
