"""What `move37 show` prints and writes: one candidate's card."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from move37.campaign.card import read_card
from move37.campaign.folder import RunFolder
from move37.campaign.lookup import find_entry
from move37.campaign.tables import escape_markup, probe_table
from move37.core.claims import Effect
from move37.core.errors import ConfigError
from move37.insights.card import (
    Card,
    OriginRow,
    Relative,
    card_page,
    cost_lines,
    verdict_lines,
)
from move37.insights.flow import standalone
from move37.insights.wording import effect_words
from move37.memory.ledger import Ledger

MOST_EVENTS = 12
"""Of the proof, in the terminal; the page has all."""
SIGNS: dict[bool | None, str] = {True: "held", False: "did not hold", None: "open"}
LARGE = 4
"""Events at the start and end of a long list."""


def show_source(ledger: Ledger, prefix: str, *, as_json: bool = False) -> None:
    """Print only the source; as JSON with id and name.

    Raises:
        UnknownName: no candidate, or several, begin with `prefix`.
    """
    entry = find_entry(ledger.state(), prefix)
    candidate = entry.candidate
    if as_json:
        plain = {"id": entry.id, "name": candidate.idea.name, "source": candidate.source}
        json.dump(plain, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    sys.stdout.write(candidate.source)


def show_card(
    ledger: Ledger,
    run: RunFolder,
    prefix: str,
    *,
    html: Path | None = None,
    svg: Path | None = None,
    as_json: bool = False,
) -> None:
    """Print a candidate's card, as tables or JSON; write it as a page or its diagram as a file.

    Raises:
        UnknownName: no candidate, or several, begin with `prefix`.
        ConfigError: a file cannot be written.
    """
    card = read_card(ledger, run, prefix)
    for path, option, text in (
        (html, "--html", lambda: card_page(card)),
        (svg, "--svg", lambda: standalone(card.mechanism.diagram)),
    ):
        if path is not None:
            _write(path, option, text())
    if as_json:
        json.dump(_plain(card), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    elif html is None and svg is None:
        print_card(Console(), card)


def _plain(card: Card) -> dict[str, object]:
    held = [{"held": row.held} for row in card.predictions]
    plain = asdict(card)
    plain["predictions"] = [a | b for a, b in zip(plain["predictions"], held, strict=True)]
    return plain


def _write(path: Path, option: str, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path} cannot be written: {error.strerror}") from error
    Console(stderr=True).print(f"written to {escape_markup(str(path))}", soft_wrap=True)


def print_card(console: Console, card: Card) -> None:
    """Print a card as tables."""
    _print_head(console, card)
    _print_mechanism(console, card)
    _print_effects(console, card)
    _print_costs(console, card)
    if card.probes:
        console.print(probe_table(card.probes))
    _print_origins(console, card)
    _print_words(console, card)
    _print_proof(console, card)


def _print_head(console: Console, card: Card) -> None:
    console.print(f"[bold]{card.id}[/] {escape_markup(card.name)}   ({card.role})")
    by = f"{card.author} {card.operator}".strip()
    _say(console, "by", by)
    for label, words in verdict_lines(card):
        _say(console, label, words)
    if not card.verdict:
        why = (
            "none: it was imported, nothing of it was measured here"
            if card.published
            else "none yet"
        )
        _say(console, "verdict", why)
    _say(console, "motivation", card.motivation)


def _print_mechanism(console: Console, card: Card) -> None:
    found = card.mechanism
    _say(console, "mechanism", found.words)
    if found.formulas:
        _say(console, "formula", "\n".join(found.formulas))
        _say(console, "", found.remark)
    else:
        _say(console, "formula", f"none: {found.remark}")
    if found.stated:
        _say(console, "the author's own, not checked", "\n".join(found.stated))


def _print_effects(console: Console, card: Card) -> None:
    if card.effects:
        table = _table(f"Effect over {escape_markup(card.baseline)}, noise units, 95 %")
        for heading in ("task", "in search", "on fresh seeds", "at a larger scale"):
            table.add_column(heading, justify="left" if heading == "task" else "right")
        for row in card.effects:
            table.add_row(
                escape_markup(row.task),
                _effect(row.search),
                _effect(row.fresh),
                _effect(row.larger),
            )
        console.print(table)
    if card.predictions:
        table = _table("Predicted before any trial, and measured")
        for heading in ("task", "declared", "confidence", "measured", "on", "sign"):
            table.add_column(heading)
        for row in card.predictions:
            sign = SIGNS[row.held]
            table.add_row(
                escape_markup(row.task), f"{row.declared:+.2f}", f"{row.confidence:.0%}",
                _effect(row.measured), row.measured_on, sign,
            )  # fmt: skip
        console.print(table)
    for label, text in card.published:
        _say(console, label, text)


def _effect(effect: Effect | None) -> str:
    return f"{effect_words(effect)} ({effect.n_pairs})" if effect else "-"


def _print_costs(console: Console, card: Card) -> None:
    rows = cost_lines(card)
    if rows:
        table = _table("Cost")
        table.add_column("")
        for heading in ("this layer", escape_markup(card.baseline)):
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if card.trials:
        table = _table("Trainings")
        for heading in ("stage", "trials", "failed", "CPU seconds", "us a token"):
            table.add_column(heading, justify="left" if heading == "stage" else "right")
        for row in card.trials:
            per_token = row.microseconds_per_token
            table.add_row(
                row.stage, str(row.n_trials), str(row.n_failed), f"{row.cpu_seconds:.1f}",
                "-" if per_token is None else f"{per_token:.1f}",
            )  # fmt: skip
        console.print(table)


def _print_origins(console: Console, card: Card) -> None:
    if card.ancestors:
        _relatives(console, "Made from, the nearest first", card.ancestors)
    if card.children:
        more = card.n_children - len(card.children)
        _relatives(console, f"Made from it{f' ({more} more)' if more else ''}", card.children)
    if card.origins:
        table = _table("Elements, and where they come from")
        for heading in ("element", "from", "source", "check"):
            table.add_column(heading)
        for row in card.origins:
            table.add_row(escape_markup(row.element), row.origin, _source(row), row.check)
        console.print(table)


def _source(row: OriginRow) -> str:
    return escape_markup(f"{row.source} {row.about}".strip()[:120])


def _relatives(console: Console, title: str, relatives: tuple[Relative, ...]) -> None:
    table = _table(title)
    for heading in ("id", "name", "standing"):
        table.add_column(heading)
    for r in relatives:
        table.add_row(escape_markup(r.id), escape_markup(r.name[:60]), escape_markup(r.words))
    console.print(table)


def _print_words(console: Console, card: Card) -> None:
    _say(console, "judge", "" if card.quality is None else f"{card.quality:.2f} of 1, given blind")
    _say(console, "novelty", card.novelty)
    _say(console, "lesson", card.lesson)


def _print_proof(console: Console, card: Card) -> None:
    proof = card.proof
    console.print(f"[dim]ledger[/] {len(proof.events)} of {proof.n_events} events are about it:")
    events = list(proof.events)
    if len(events) > MOST_EVENTS:
        console.print(f"[dim]the first {LARGE} and the last {LARGE}; --html has all[/]")
        events = [*events[:LARGE], *events[-LARGE:]]
    for row in events:
        console.print(f"{row.seq:7}  {row.kind:18} {row.hash}", highlight=False, soft_wrap=True)
    for artefact in proof.artefacts:
        kept = "kept" if artefact.is_kept else "not kept: export trains anew"
        _say(console, f"weights ({artefact.about})", f"{artefact.digest} {kept}")
        if artefact.initialisation:
            _say(console, "  began as", artefact.initialisation)
    for command, words in proof.commands:
        console.print(f"{escape_markup(command)}", highlight=False, soft_wrap=True)
        console.print(f"    [dim]{escape_markup(words)}[/]", highlight=False, soft_wrap=True)


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False
    )


def _say(console: Console, label: str, text: str) -> None:
    if text:
        lines = "\n    ".join(map(escape_markup, text.splitlines()))
        console.print(f"[dim]{escape_markup(label)}[/] {lines}", highlight=False)
