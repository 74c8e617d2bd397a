"""The verbs that show what a run has come to. They change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Name, Runs, app, open_ledger, run_folder
from move37.core.errors import ConfigError


@app.command()
def status(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show how a run stands, on one screen. Works while it runs.

    Example: move37 status first
    """
    from rich.console import Console

    from move37.campaign.commands import show_status
    from move37.campaign.tables import imported_from, print_gallery
    from move37.dashboard.terminal import show_once

    with open_ledger(name, runs) as ledger:
        if as_json or imported_from(ledger):
            show_status(ledger, as_json=as_json)
            return
        console = Console()
        show_once(run_folder(name, runs), console)
        print_gallery(console, ledger)


@app.command()
def gallery(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """List the layers that held up, with effects, intervals and cost.

    Example: move37 gallery first
    """
    from move37.campaign.commands import show_gallery

    with open_ledger(name, runs) as ledger:
        show_gallery(ledger, as_json=as_json)


@app.command()
def show(
    candidate: Annotated[str, typer.Argument(help="Candidate id, or its first digits.")],
    name: Annotated[str, typer.Option("--run", help="Name of the run.")] = "first",
    source: Annotated[bool, typer.Option("--source", help="Print only the source.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the card as one page.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the data-flow diagram.")] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show one candidate's card: how it works, effects, cost, probes, lineage, proof; or its code.

    Example: move37 show 3f2a --html card.html
    """
    from move37.campaign.card_verbs import show_card, show_source

    with open_ledger(name, runs) as ledger:
        if source:
            show_source(ledger, candidate, as_json=as_json)
            return
        folder = run_folder(name, runs)
        show_card(ledger, folder, candidate, html=html, svg=svg, as_json=as_json)


@app.command()
def report(
    name: Name = "first",
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Run to compare discoveries with, such as random search; repeatable."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Write the report of a run again (HTML and Markdown) and print where it is.

    Example: move37 report first --beside random
    """
    from move37.campaign.commands import print_report, report_run

    folder, others = run_folder(name, runs), []
    for other in beside or ():
        if run_folder(other, runs).path.resolve() == folder.path.resolve():
            raise ConfigError(
                f"--beside {other} is the run of the report itself; name another one, such as a "
                "random search with the same preset"
            )
        with open_ledger(other, runs) as ledger:
            others.append((other, list(ledger.events())))
    with open_ledger(name, runs) as ledger:
        if as_json:
            print_report(ledger, beside=others)
            return
        typer.echo(report_run(ledger, folder, beside=others))


@app.command()
def tree(
    name: Name = "first",
    start: Annotated[
        str | None, typer.Option("--from", help="Only what came from this id.")
    ] = None,
    most: Annotated[int, typer.Option(help="Lines to draw at most.", min=1)] = 200,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Draw who came from whom, the best child first.

    Example: move37 tree first --from 3f2a
    """
    from move37.campaign.gallery_verbs import show_tree

    with open_ledger(name, runs) as ledger:
        show_tree(ledger, start=start, most=most, as_json=as_json)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="Candidate id, or its first digits.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    name: Annotated[str, typer.Option("--run", help="Name of the run.")] = "first",
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Show what differs between two candidates: elements, effects, source.

    Example: move37 diff 3f2a 91bc --run first
    """
    from move37.campaign.gallery_verbs import show_difference

    with open_ledger(name, runs) as ledger:
        show_difference(ledger, first, second, as_json=as_json)


@app.command()
def lessons(
    name: Name = "first",
    to: Annotated[Path | None, typer.Option(help="File; default standard output.")] = None,
    runs: Runs = Path("runs"),
) -> None:
    """Write what a run learnt as Markdown that can seed the next: move37 run --lessons FILE.

    Example: move37 lessons first --to lessons.md
    """
    from move37.campaign.gallery_verbs import write_lessons

    with open_ledger(name, runs) as ledger:
        write_lessons(ledger, to)
