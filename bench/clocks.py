"""Milliseconds of a question asked many times, for `memory.py` and `nearest.py`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Took = tuple[float, float]
"""Milliseconds of wall clock and of this process."""
HEAD = "| trials | what | min / median / max, ms | CPU, min / median, ms |\n|---|---|---|---|"


def timed(ask: Callable[[], object], repeats: int) -> list[Took]:
    """Ask once unmeasured, then so many times."""
    ask()
    return [once(ask) for _ in range(repeats)]


def once(ask: Callable[[], object]) -> Took:
    start, cpu = time.perf_counter(), time.process_time()
    ask()
    return 1e3 * (time.perf_counter() - start), 1e3 * (time.process_time() - cpu)


def say(n_trials: int, what: str, times: list[Took]) -> None:
    wall, cpu = [w for w, _ in times], [c for _, c in times]
    low, middle, high = min(wall), statistics.median(wall), max(wall)
    print(
        f"| {n_trials} | {what} | {low:.2f} / {middle:.2f} / {high:.2f} "
        f"| {min(cpu):.1f} / {statistics.median(cpu):.1f} |",
        flush=True,
    )
