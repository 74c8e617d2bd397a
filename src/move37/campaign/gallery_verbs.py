"""What `tree`, `diff` and `lessons` print."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from move37.campaign.canary_watch import marked
from move37.campaign.lookup import find_entry
from move37.campaign.side_by_side import SideBySide, side_by_side
from move37.campaign.tables import SHORT_ID, escape_markup, imported_from
from move37.campaign.tree import branches, element_changes, source_diff
from move37.core.errors import ConfigError
from move37.insights.method import lessons_page
from move37.insights.story import tell
from move37.insights.wording import effect_words
from move37.memory.ledger import Ledger
from move37.memory.state import Entry

COLOURS = {
    "confirmed": "bold green", "verified": "bold green", "promoted": "yellow",
    "refuted": "red", "rejected": "dim", "root": "bold",
}  # fmt: skip


def show_tree(ledger: Ledger, *, start: str | None, most: int, as_json: bool) -> None:
    """Print the lineage.

    Raises:
        UnknownName: no candidate, or several, begin with `start`.
    """
    state = ledger.state()
    id_ = find_entry(state, start).id if start else None
    quarantined = marked(ledger, state)
    if as_json:
        rows = [
            {"id": e.id, "name": e.candidate.idea.name, "parents": e.candidate.parents,
             "verdict": str(e.verdict.kind) if e.verdict else None,
             "score": e.published.score if e.published else None,
             "quarantined": quarantined.get(e.id)}
            for e in state.candidates.values()
        ]  # fmt: skip
        json.dump(rows, sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    if not state.candidates:
        console.print("no candidate yet")
        return
    page = Text()
    for line in branches(state, most=most, start=id_):
        if line.n_hidden:
            more = f"… {line.n_hidden} candidates more; --most shows more, --from ID a part\n"
            page.append(more, style="dim")
            continue
        page.append(line.lead, style="dim")
        page.append(line.id[:8], style="cyan")
        page.append(f" {_printable(line.name)[:60]} ")
        page.append(line.words, style=COLOURS.get(line.kind, ""))
        if family := quarantined.get(line.id):
            page.append(f" descends from {family}, quarantined", style="red")
        page.append("\n")
    console.print(page, end="", soft_wrap=True)
    if origin := imported_from(ledger):
        console.print(f"[dim]scores as published by {origin}[/]")


def show_difference(ledger: Ledger, first: str, second: str, *, as_json: bool = False) -> None:
    """Print what differs between two candidates: elements, effects, source.

    Raises:
        UnknownName: no candidate, or several, begin with one of the two.
    """
    state = ledger.state()
    one, two = find_entry(state, first), find_entry(state, second)
    gone, new = element_changes(one, two)
    found, lines = side_by_side(one, two), source_diff(one, two)
    if as_json:
        plain = {
            "first": {"id": one.id, "name": one.candidate.idea.name},
            "second": {"id": two.id, "name": two.candidate.idea.name},
            "elements": {"only_first": gone, "only_second": new},
            "effects": asdict(found),
            "source": lines,
        }
        json.dump(plain, sys.stdout, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for mark, entry in (("---", one), ("+++", two)):
        console.print(f"[bold]{mark} {entry.id}[/] {escape_markup(entry.candidate.idea.name)}")
    for mark, names in (("[red]-[/]", gone), ("[green]+[/]", new)):
        if names:
            console.print(f"{mark} {escape_markup(', '.join(names))}")
    _print_effects(console, one, two, found)
    page = Text()
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        page.append(_printable(line) + "\n", style=style)
    console.print(page or "the sources are equal", end="\n" if not page else "", soft_wrap=True)


def _print_effects(console: Console, one: Entry, two: Entry, found: SideBySide) -> None:
    for rows, where in ((found.search, "in search"), (found.fresh, "on fresh seeds")):
        if not rows:
            continue
        table = Table(
            title=f"Effect over the baseline {where}, noise units, 95 %", title_justify="left"
        )
        for heading in ("task", one.id[:SHORT_ID], two.id[:SHORT_ID]):
            table.add_column(heading)
        for row in rows:
            cells = [effect_words(e) if e else "-" for e in (row.first, row.second)]
            table.add_row(escape_markup(row.task), *cells)
        console.print(table)
    for remark in found.remarks:
        console.print(f"[dim]{remark}[/]")


def write_lessons(ledger: Ledger, to: Path | None) -> None:
    """Write what a campaign learnt as Markdown that `run --lessons` reads.

    Raises:
        ConfigError: the file cannot be written.
    """
    page = lessons_page(tell(ledger.events()))
    if to is None:
        sys.stdout.write(page)
        return
    try:
        to.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--to {to} cannot be written: {error.strerror}") from error
    Console(stderr=True).print(f"lessons written to {escape_markup(str(to))}")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text.replace("\t", "    "))
