"""One event loop in a thread of its own, for all conversations: clients and connections live there.

Callers wait in their own threads, and give up when somebody stops.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from move37.core.errors import Stopped

POLL_SECONDS = 0.1
CLOSE_SECONDS = 10.0

Result = TypeVar("Result")


class Line:
    """An event loop in a thread, started at the first use."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def wait_for(self, work: Coroutine[Any, Any, Result], is_stopped: Callable[[], bool]) -> Result:
        """Do work on the loop, wait for it in this thread, and return its result.

        Raises:
            Stopped: somebody asked to stop, or the line is closed; the work was cancelled.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._started())
        except Stopped:
            work.close()
            raise
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except concurrent.futures.TimeoutError:
                if future.done():  # it came just now, or the work itself timed out
                    return future.result()
                if is_stopped():
                    future.cancel()
                    raise Stopped("stopped while a model was thinking") from None
            except concurrent.futures.CancelledError:
                raise Stopped("stopped while a model was thinking") from None

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what is going on, do a last piece of work, and end the thread."""
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            last.close()
            return
        with contextlib.suppress(TimeoutError, concurrent.futures.TimeoutError):
            asyncio.run_coroutine_threadsafe(_wind_up(last), loop).result(CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise Stopped("the desk is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, name="models", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self) -> None:
        loop = self._loop
        if loop is None:
            return
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()


async def _wind_up(last: Coroutine[Any, Any, None]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last
    await asyncio.get_running_loop().shutdown_asyncgens()
