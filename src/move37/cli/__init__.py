"""The command line. Every verb imports what it needs when it runs, so that --help stays instant.

One file for verbs that belong together; importing it hangs them on the app, in the order of --help.
"""

from __future__ import annotations

import sys

import typer

from move37.cli import running  # isort: skip
from move37.cli import (
    cards,
    checking,
    comparing,
    dataset,
    exchange,
    guards,
    ledger,
    outside,
    probing,
    quarantine,
    reading,
    watching,
)  # isort: skip
from move37.cli.shared import app
from move37.core.errors import Move37Error

__all__ = [
    "app", "cards", "checking", "comparing", "dataset", "exchange", "guards", "ledger", "main",
    "outside", "probing", "quarantine", "reading", "running", "watching",
]  # fmt: skip


def main() -> None:
    """Entry point: a Move37Error is one message and exit code 2, never a traceback."""
    try:
        app()
    except Move37Error as error:
        typer.echo(f"move37: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
