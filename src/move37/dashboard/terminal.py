"""The overview on a terminal: `move37 status` (once) and `move37 watch` (live)."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from move37.campaign.folder import RunFolder
from move37.dashboard.project import Overview, Point, duration
from move37.dashboard.reader import Reader
from move37.dashboard.sessions import IMPORTED, VERIFYING
from move37.dashboard.watched import Watch

WATCH_SECONDS = 1.0
BARS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 48
MAX_LISTED = 8


def show_once(folder: RunFolder, console: Console) -> None:
    """Print how a run stands.

    Raises:
        LedgerError: its ledger cannot be read.
    """
    reader = Reader(folder)
    run = Watch(reader)
    try:
        console.print(screen(run.overview(now=time.time())))
    finally:
        reader.close()


def watch(folder: RunFolder, console: Console) -> None:
    """Show a run until it ends or Ctrl-C; changes nothing.

    Raises:
        LedgerError: its ledger cannot be read, or is gone.
    """
    reader = Reader(folder)
    run = Watch(reader)
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                view = run.overview(now=time.time())
                live.update(screen(view), refresh=True)
                if not view.is_live:
                    return
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return
    finally:
        reader.close()


def screen(view: Overview) -> Group:
    """Return a campaign as one terminal screen."""
    run = f"preset {_safe(view.preset)}, seed {view.seed}, baseline {_safe(view.baseline)}"
    is_imported = view.state == IMPORTED
    head = f"[bold]{_safe(view.name)}[/]  {_safe(view.state)}"
    parts: list[RenderableType] = [head if is_imported else f"{head}   {run}"]
    if not view.is_sandboxed:
        parts.append("[bold red]NOT SANDBOXED: do not rely on these numbers[/]")
    if view.budget_seconds and not is_imported:
        bar = Table.grid(padding=(0, 2))
        used = min(view.used_seconds, view.budget_seconds)
        bar.add_row(
            "search time" if view.state == VERIFYING else "time",
            ProgressBar(total=view.budget_seconds, completed=used, width=40),
            f"{duration(view.used_seconds)} used, {duration(view.left_seconds)} left",
        )
        parts.append(bar)
    parts.append(_numbers(view))
    at_work = view.running[:MAX_LISTED]
    parts += [f"[dim]now[/]  {_safe(work.who)} {_safe(work.what)}" for work in at_work]
    return Group(*parts)


def _numbers(view: Overview) -> Table:
    table = Table.grid(padding=(0, 2))
    best = (
        _point_words(view.best._replace(fresh=None)) + "  [dim](optimistic: chosen by search)[/]"
        if view.best
        else "none yet"
    )
    rows = {
        "candidates": f"{view.n_candidates}, {view.n_measured} with an effect",
        "trials": f"{view.n_trials}, {duration(view.cpu_seconds)} of CPU",
        "verdicts": _counts(view.verdicts) or "none yet",
        "failures": _counts(view.failures) or "none",
        "best in search": best,
        "its history": sparkline(view.points) or "nothing measured yet",
        "gallery": f"{len(view.gallery)} confirmed on fresh seeds",
    }
    for label, words in rows.items():
        table.add_row(label, words)
    for point in view.gallery[:MAX_LISTED]:
        table.add_row("", _point_words(point))
    return table


def _point_words(point: Point) -> str:
    mean, low, high = point.fresh or (point.effect, point.low, point.high)
    if mean is None or low is None or high is None:
        return _safe(point.name)
    return (
        f"{_safe(point.name[:48])} [dim]{point.id[:8]}[/] {mean:+.2f} \\[{low:+.2f}, {high:+.2f}]"
    )


def sparkline(points: tuple[Point, ...]) -> str:
    """Return the best effect so far, over the order of proposal, as a line of blocks."""
    best, record = float("-inf"), []
    for point in points:
        if point.effect is not None:
            best = max(best, point.effect)
        if best > float("-inf"):
            record.append(best)
    if not record:
        return ""
    step = max(1, -(-len(record) // SPARK_WIDTH))
    shown = record[::step]
    low, high = min(shown), max(record[-1], shown[-1])
    span = (high - low) or 1.0
    return "".join(BARS[round((v - low) / span * (len(BARS) - 1))] for v in shown)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {_safe(kind)}" for kind, n in sorted(counts.items()))


def _safe(text: str) -> str:
    return escape("".join(c if c.isprintable() else "�" for c in text))
