"""What `move37 verify` does: open the run, verify, print the table, write the report again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.commands import report_run
from move37.campaign.folder import stored_config
from move37.campaign.tables import SHORT_ID, escape_markup
from move37.campaign.verification import OutOfTime, entry_of, opponents_of, verify
from move37.insights.larger import LargerRow, Verified, verified_rows
from move37.insights.setting import read_setting
from move37.insights.story import tell
from move37.insights.wording import effect_words, times_words
from move37.memory.ledger import Ledger


def verify_candidate(
    folder: RunFolder,
    prefix: str,
    *,
    opponents: tuple[str, ...] | None,
    budget_seconds: float | None,
    workers: int | None,
    unsandboxed: bool,
    as_json: bool,
) -> None:
    """Verify one gallery entry, or go on with it; print the verdict with its table.

    Raises:
        UnknownName, ConfigError: no such entry or mixer; the message says what there is.
    """
    console = Console(stderr=as_json)
    with folder.open_ledger() as ledger:
        entry = entry_of(ledger.state(), prefix)
        config = stored_config(ledger).model_copy(update={"workers": workers})
    with open_workshop(config, folder, unsandboxed=unsandboxed, purpose="verify") as workshop:
        others = opponents_of(workshop, opponents)
        reason = ""
        try:
            verify(
                workshop,
                entry,
                others,
                lambda words: console.print(escape_markup(words), highlight=False, soft_wrap=True),
                budget_seconds=budget_seconds,
            )
            reason = "verified"
        except OutOfTime as error:
            reason = str(error)
            console.print(f"{reason}; the same command goes on where it was", soft_wrap=True)
        except KeyboardInterrupt:
            reason = "stopped by hand"
            console.print("[bold]stopped[/]; the same command goes on where it was")
        finally:
            workshop.close_session(reason)
        found = found_at_larger_scale(workshop.ledger, entry.id)
        page = report_run(workshop.ledger, folder)
    if as_json:
        json.dump(plain(found), sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return
    print_verified(console, found)
    console.print(f"report: {page}", soft_wrap=True)


def found_at_larger_scale(ledger: Ledger, candidate_id: str) -> Verified | None:
    """Return what the ledger knows about a candidate at the larger scale; None before a verdict."""
    story = tell(list(ledger.events()))
    setting = read_setting(story)
    baseline = story.baseline(setting.config.baseline if setting.config else "")
    rows = verified_rows(story, setting, baseline)
    return next((found for found in rows if found.record.id == candidate_id), None)


def print_verified(console: Console, found: Verified | None) -> None:
    """Print verdict and table."""
    if found is None:
        console.print("no verdict yet")
        return
    name = escape_markup(found.record.name)
    console.print(
        f"[bold]{found.record.id[:SHORT_ID]}[/] {name}: [bold]{found.verdict.kind.upper()}[/]; "
        f"{escape_markup(found.verdict.reason)}",
        highlight=False,
    )
    table = Table(
        title=f"At {found.scale} times the size and training, {found.n_seeds} fresh seeds, noise "
        "units of the search",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,
    )
    table.add_column("against", overflow="fold", min_width=12)
    for heading in ("", "search tasks [95 %]", "exam tasks [95 %]", "time"):
        table.add_column(heading, justify="right", no_wrap=bool(heading))
    for row in found.rows:
        table.add_row(*_cells(row))
    console.print(table)
    for words in _remarks(found):
        console.print(escape_markup(words), highlight=False)


def _remarks(found: Verified) -> list[str]:
    """Return what stands below the table."""
    mine = LargerRow(
        name="the layer", is_baseline=False, words="", learning_rate=found.learning_rate
    )
    rates = [f"{r.name} {r.learning_rate:.3g}" for r in (mine, *found.rows) if r.learning_rate]
    gaps = [f"{row.name} {row.failed}" for row in found.rows if row.failed]
    exam = ", ".join(found.exam_names) or "none"
    return [
        f"* the baseline, which decides; exam tasks, new to the layer: {exam}",
        "time: of the layer's training over theirs",
        f"best learning rates: {', '.join(rates) or 'none'}",
        *([f"seeds without a result (own: the layer's): {'; '.join(gaps)}"] if gaps else []),
    ]


def plain(found: Verified | None) -> dict[str, Any]:
    """Return what was found as plain values for JSON."""
    if found is None:
        return {"verdict": None}
    rows = [asdict(row) for row in found.rows]
    return {
        "id": found.record.id,
        "name": found.record.name,
        "verdict": asdict(found.verdict),
        "learning_rate": found.learning_rate,
        "scale": found.scale,
        "rows": rows,
        "exam": list(found.exam_names),
    }


def _cells(row: LargerRow) -> list[str]:
    return [
        escape_markup(row.name) + ("*" if row.is_baseline else ""),
        row.words,
        effect_words(row.search.combined) if row.search else "",
        effect_words(row.exam.combined) if row.exam else "",
        times_words(row.cost.time),
    ]
