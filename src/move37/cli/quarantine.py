"""The guards' verbs on one run: alarms, canaries, quarantine, and every edge that was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.guards import guards_app
from move37.cli.shared import AsJson, Name, Runs, open_ledger


@guards_app.command()
def canaries(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show how every trait of every family of models has changed during a run.

    Example: move37 guards canaries first
    """
    from move37.campaign.canary_tables import show_canaries

    with open_ledger(name, runs) as ledger:
        show_canaries(ledger, as_json=as_json)


@guards_app.command()
def quarantine(
    name: Name,
    family: Annotated[str, typer.Argument(help="A line of base models, as canaries shows it.")],
    reason: Annotated[str, typer.Option(help="Why; written into the ledger.")],
    lift: Annotated[bool, typer.Option("--lift", help="End the quarantine.")] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Quarantine a family: it judges nobody, trains nobody, and what it judged is judged again.

    The next `move37 run` judges again. Its descendants are marked in `move37 tree`.

    Example: move37 guards quarantine first qwen2.5 --reason "repeats a planted word"
    """
    from move37.campaign.canary_tables import quarantine_by_hand

    with open_ledger(name, runs) as ledger:
        quarantine_by_hand(ledger, family, reason=reason, lift=lift, as_json=as_json)


@guards_app.command()
def edges(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show what the firewall decided in a run: judging, text in a context, weights, training data.

    Example: move37 guards edges first
    """
    from move37.campaign.canary_tables import show_edges

    with open_ledger(name, runs) as ledger:
        show_edges(ledger, as_json=as_json)


@guards_app.command()
def alarms(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show what rang in a run, and which caps on effort and quarantines hold now.

    Example: move37 guards alarms first
    """
    from move37.campaign.canary_tables import show_alarms

    with open_ledger(name, runs) as ledger:
        show_alarms(ledger, as_json=as_json)
