"""One lock per key, made when needed and forgotten when free."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLocks:
    """Threads that hold different keys do not wait for each other. Reentrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[object, tuple[threading.RLock, int]] = {}

    @contextmanager
    def holding(self, key: object) -> Iterator[None]:
        """Hold the lock of a key."""
        with self._guard:
            lock, n_users = self._locks.get(key, (threading.RLock(), 0))
            self._locks[key] = (lock, n_users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, n_users = self._locks[key]
                if n_users == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (lock, n_users - 1)
