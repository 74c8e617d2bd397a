"""What `guards canaries`, `guards quarantine`, `guards edges` and `guards alarms` do and print."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from move37.campaign.canary_watch import canaries_of, families_of, quarantine
from move37.campaign.edges import quarantines, roster_at
from move37.campaign.folder import stored_config
from move37.campaign.guarding import caps_of
from move37.core.errors import ConfigError, UnknownName
from move37.core.events import AlarmRaised, EdgeDecided, QuarantineLifted
from move37.guards.canaries import alarm_at
from move37.memory.journal import Journal
from move37.memory.ledger import Ledger

SHOWN = 3.0  # evidence below which a change is not worth words


def show_canaries(ledger: Ledger, *, as_json: bool) -> None:
    """Print every trait of every family, the most changed first."""
    team = stored_config(ledger).team
    roster = roster_at(team, ledger)
    families = families_of(team, roster)
    found = canaries_of(ledger, team, roster, before=ledger.state().next_index)
    held = quarantines(ledger)
    if as_json:
        rows = [{**asdict(c), "rings": c.rings(n_families=len(families))} for c in found]
        told = {"canaries": rows, "alarm_at": alarm_at(len(families)), "quarantined": held}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    console = Console(highlight=False)
    if not found:
        console.print("no language model has proposed anything: there is nothing to watch")
        return
    table = Table(
        box=SIMPLE_HEAD,
        caption=f"evidence at its strongest; an alarm at {alarm_at(len(families)):.0f}: together "
        "at most 5 % false alarms in a run, if nothing changes",
    )
    for heading in ("family", "trait", "seen", "evidence", "change"):
        table.add_column(heading, justify="right" if heading in {"seen", "evidence"} else "left")
    for canary in found:
        rings = canary.rings(n_families=len(families))
        table.add_row(
            escape(canary.family),
            escape(canary.trait),
            str(canary.n),
            f"{canary.evidence:.3g}",
            escape(f"since #{canary.since}: {canary.words}") if canary.evidence > SHOWN else "",
            style="bold red" if rings else "",
        )
    console.print(table)
    _print_quarantines(held, console)


def quarantine_by_hand(
    ledger: Ledger, family: str, *, reason: str, lift: bool, as_json: bool
) -> None:
    """Begin or end a quarantine; it holds from the next candidate on.

    Raises:
        UnknownName: no model of the run is of this family.
        ConfigError: it is not quarantined, and so cannot be freed.
    """
    team = stored_config(ledger).team
    roster = roster_at(team, ledger)
    index = ledger.state().next_index
    authors = {e.candidate.author for e in ledger.state().candidates.values()}
    known = {*families_of(team, roster), *(roster.line(a).name for a in authors if ":" in a)}
    if family not in known:
        raise UnknownName.of("family", family, known)
    if lift:
        if family not in quarantines(ledger):
            raise ConfigError(f"{family} is not quarantined in this run")
        ledger.append(QuarantineLifted(index=index, family=family, reason=reason))
    else:
        quarantine(Journal(ledger, index), roster, family, reason=reason, by="person")
    held = quarantines(ledger)
    if as_json:
        sys.stdout.write(json.dumps({"quarantined": held, "from": index}) + "\n")
        return
    state = "free again" if lift else "quarantined"
    Console(highlight=False).print(
        f"{escape(family)} is {state} from candidate {index} on; `move37 run` goes on with it",
        soft_wrap=True,
    )


def show_edges(ledger: Ledger, *, as_json: bool) -> None:
    """Print the firewall's decisions, alike ones as one line."""
    events = ledger.events([EdgeDecided])
    counted = Counter((e.kind, e.producer, e.consumer, e.allowed, e.reason) for e in events)
    merged: Counter[tuple[str, str, str, bool, str]] = Counter()
    for (kind, producer, consumer, allowed, reason), n in counted.items():
        is_own = kind == "warm-start" and allowed
        ends = ("a candidate", "itself") if is_own else (producer, consumer)
        merged[kind, *ends, allowed, reason] += n
    rows = sorted(merged.items())
    names = ("kind", "producer", "consumer", "allowed", "reason")
    if as_json:
        told = [{**dict(zip(names, key, strict=True)), "n": n} for key, n in rows]
        sys.stdout.write(json.dumps(told) + "\n")
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in ("kind", "from", "to", "", "times", "reason"):
        table.add_column(heading)
    for (kind, producer, consumer, allowed, reason), n in rows:
        word = "allowed" if allowed else "[bold red]denied[/]"
        table.add_row(kind, escape(producer), escape(consumer), word, str(n), escape(reason))
    console = Console(highlight=False)
    console.print(table if rows else "no edge was decided: nothing flowed")


def show_alarms(ledger: Ledger, *, as_json: bool) -> None:
    """Print what rang, and the caps and quarantines that hold now."""
    alarms = list(ledger.events([AlarmRaised]))
    caps = caps_of(ledger)
    held = quarantines(ledger)
    if as_json:
        capped = [{"role": r, "model": m, "cap": str(cap)} for (r, m), cap in caps.items()]
        told = {"alarms": [asdict(a) for a in alarms], "caps": capped, "quarantined": held}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    console = Console(highlight=False)
    if not alarms:
        console.print("no alarm was raised: that is no proof that nothing was wrong")
    else:
        table = Table(box=SIMPLE_HEAD)
        for heading in ("from", "guard", "who", "evidence", "cap", "why"):
            table.add_column(heading, justify="right" if heading == "evidence" else "left")
        for a in alarms:
            who = " ".join(part for part in (a.role, a.model, a.family, a.trait) if part)
            cells = (a.guard, who, f"{a.evidence:.3g}", a.cap or "-", a.reason)
            table.add_row(f"#{a.index}", *map(escape, cells))
        console.print(table)
    for (role, model), cap in caps.items():
        console.print(f"[bold]capped[/]: {escape(f'{role} {model}')} at {cap}", soft_wrap=True)
    _print_quarantines(held, console)


def _print_quarantines(held: dict[str, str], console: Console) -> None:
    for family, reason in held.items():
        console.print(f"[bold]quarantined[/]: {escape(family)}: {escape(reason)}", soft_wrap=True)
