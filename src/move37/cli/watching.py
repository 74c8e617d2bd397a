"""The verbs that watch: in the terminal, in the browser. They change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import Name, Runs, app, run_folder


@app.command()
def watch(name: Name = "first", runs: Runs = Path("runs")) -> None:
    """Watch a run in the terminal until it ends; Ctrl-C leaves it alone.

    Example: move37 watch first
    """
    from rich.console import Console

    from move37.dashboard.terminal import watch as watch_run

    watch_run(run_folder(name, runs), Console())


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
        run_folder(name, runs)
    serve(runs, name, host=host, port=port, browser=browser, with_parent=with_parent)
