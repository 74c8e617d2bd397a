"""The live screen of a running session: a bar that fills with time, and the numbers under it.

On a terminal it redraws in place; elsewhere it prints a line now and then, for logs.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from move37.campaign.progress import Progress
from move37.campaign.session import Session
from move37.campaign.tables import failure_words, progress_table, spend_words
from move37.campaign.workshop import Workshop

LINE_SECONDS = 15.0  # between lines where there is no terminal


class Screen:
    """Shows a session; a context manager."""

    def __init__(self, console: Console, workshop: Workshop) -> None:
        self._console = console
        self._watch = workshop.watch
        self._budget = workshop.config.budget.wall_seconds
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last_line = 0.0

    def show(self, session: Session, progress: Progress) -> None:
        """Draw the present state."""
        if self._live:
            self._live.update(self._picture(session, progress), refresh=True)
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self._line(session, progress), highlight=False, soft_wrap=True)

    def _picture(self, session: Session, progress: Progress) -> Group:
        head = Table.grid(padding=(0, 2))
        used = self._budget - self._watch.left_seconds
        head.add_row(
            f"[bold]{session.stage}[/]",
            ProgressBar(total=self._budget, completed=used, width=40),
            f"{clock(self._watch.left_seconds)} left",
        )
        running = ", ".join(
            f"{f'#{i}' if i >= 0 else 'baseline or opponent'} {what}"
            for i, what in sorted(progress.running.items())
        )
        return Group(head, progress_table(progress), f"[dim]now: {running or 'waiting'}[/]")

    def _line(self, session: Session, progress: Progress) -> str:
        best = progress.best_effect
        words = f"best {best.mean:+.2f} [{best.low:+.2f}, {best.high:+.2f}]" if best else "no best"
        return (
            f"{session.stage:10} {clock(self._watch.left_seconds)} left  "
            f"{progress.n_candidates} candidates  {progress.n_trials} trials  {words}  "
            f"gallery {len(progress.gallery)}  failures: {failure_words(progress)}"
            f"{f'  ALARMS: {len(progress.alarms)}' if progress.alarms else ''}"
            + (f"  models: {spend_words(progress)}" if progress.n_requests else "")
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()


def clock(seconds: float) -> str:
    """Return a time as m:ss or h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
