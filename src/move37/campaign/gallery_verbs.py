"""What `tree`, `diff` and `lessons` print."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from move37.campaign.canary_watch import marked
from move37.campaign.lookup import find_entry
from move37.campaign.tables import effect_words, escape_markup, imported_from
from move37.campaign.tree import MEASURED, branches, element_changes, source_diff
from move37.core.errors import ConfigError
from move37.insights.method import lessons_page
from move37.insights.story import tell
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


def show_difference(ledger: Ledger, first: str, second: str) -> None:
    """Print what differs between two candidates: elements, effects, source.

    Raises:
        UnknownName: no candidate, or several, begin with one of the two.
    """
    state = ledger.state()
    one, two = find_entry(state, first), find_entry(state, second)
    console = Console(highlight=False)
    for mark, entry in (("---", one), ("+++", two)):
        console.print(f"[bold]{mark} {entry.id}[/] {escape_markup(entry.candidate.idea.name)}")
    gone, new = element_changes(one, two)
    for mark, names in (("[red]-[/]", gone), ("[green]+[/]", new)):
        if names:
            console.print(f"{mark} {escape_markup(', '.join(names))}")
    _print_effects(console, one, two)
    page = Text()
    for line in source_diff(one, two):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        page.append(_printable(line) + "\n", style=style)
    console.print(page or "the sources are equal", end="\n" if not page else "", soft_wrap=True)


def _print_effects(console: Console, one: Entry, two: Entry) -> None:
    sides = [(e.verdict.task_effects or {}) if e.verdict else {} for e in (one, two)]
    tasks = dict.fromkeys([*sides[0], *sides[1]])
    if not tasks:
        return
    table = Table("task", one.id[:8], two.id[:8])
    for task in tasks:
        cells = [effect_words(side[task]) if task in side else "-" for side in sides]
        table.add_row(escape_markup(task), *cells)
    console.print(table)
    stages = [e.verdict.stage if e.verdict else None for e in (one, two)]
    if stages[0] is not stages[1]:
        words = " against ".join(MEASURED[s] if s else "not measured" for s in stages)
        console.print(f"[dim]not alike: {words}[/]")


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
