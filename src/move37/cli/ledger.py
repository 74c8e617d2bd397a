"""`move37 ledger`: verify, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Name, Runs, app, open_ledger
from move37.core.errors import ConfigError

ledger_app = typer.Typer(no_args_is_help=True, help="Check or export the ledger of a run.")
app.add_typer(ledger_app, name="ledger")


@ledger_app.command()
def verify(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Recompute the hash chain and all tables; name the first difference. Exit code 1 if any.

    Example: move37 ledger verify first
    """
    with open_ledger(name, runs) as ledger:
        difference = ledger.verify()
        if as_json:
            n_events, head = ledger.head()
            told = {"holds": difference is None, "n_events": n_events, "head": head}
            typer.echo(json.dumps(told | {"difference": str(difference or "")}))
            raise typer.Exit(difference is not None)
        if difference is not None:
            typer.echo(f"the ledger of {name!r} does not verify: {difference}")
            raise typer.Exit(1)
        n_events, head = ledger.head()
        typer.echo(f"{n_events} events verify; head {head}")


@ledger_app.command()
def export(
    name: Name = "first",
    to: Annotated[Path | None, typer.Option(help="File; default standard output.")] = None,
    runs: Runs = Path("runs"),
) -> None:
    """Write every event as one line of JSON.

    Example: move37 ledger export first --to first.jsonl
    """
    with open_ledger(name, runs) as ledger:
        if to is None:
            ledger.export(sys.stdout)
            return
        try:
            with to.open("w", encoding="utf-8") as file:
                typer.echo(f"{ledger.export(file)} events written to {to}", err=True)
        except OSError as error:
            raise ConfigError(f"--to {to} cannot be written: {error.strerror}") from error
