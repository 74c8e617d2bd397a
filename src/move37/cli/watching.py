"""The verbs that watch: in the terminal, in the browser. They change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import Name, Runs, app, run_folder
from move37.core.errors import ConfigError


@app.command()
def watch(name: Name = "first", runs: Runs = Path("runs")) -> None:
    """Watch a run in the terminal until it ends; Ctrl-C leaves it alone.

    Example: move37 watch first
    """
    from rich.console import Console

    from move37.dashboard.terminal import watch as watch_run

    watch_run(_file(name, runs), Console())


@app.command()
def dashboard(
    name: Annotated[str | None, typer.Argument(help="Run to open; default all runs.")] = None,
    host: Annotated[str, typer.Option(help="Interface; beyond this machine asks a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 3737,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    with_parent: Annotated[
        bool, typer.Option(hidden=True, help="End when standard input closes.")
    ] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Open the local page of one run, or of all: live while a campaign works, complete afterwards.

    Example: move37 dashboard first
    """
    from move37.dashboard.serving import serve

    if name is not None:
        _file(name, runs)
    serve(runs, name, host=host, port=port, browser=browser, with_parent=with_parent)


def _file(name: str, runs: Path) -> Path:
    file = run_folder(name, runs).ledger
    if not file.is_file():
        raise ConfigError(
            f"the ledger of run {name!r} is on a database server; the page and move37 watch read "
            "SQLite ledgers only: use move37 status, show and report"
        )
    return file
