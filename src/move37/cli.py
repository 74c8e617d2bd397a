"""The command line. Every verb imports what it needs when it runs, so that --help stays instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from move37.core.errors import ConfigError, Move37Error

if TYPE_CHECKING:
    from move37.campaign.assemble import RunFolder
    from move37.memory.ledger import Ledger

app = typer.Typer(
    name="move37",
    help="An autonomous laboratory that invents sequence-mixing layers that hold up.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
ledger_app = typer.Typer(no_args_is_help=True, help="Check or export the ledger of a run.")
app.add_typer(ledger_app, name="ledger")

Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds all runs.")]
Name = Annotated[str, typer.Argument(help="Name of a run: a folder under --runs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def run(
    campaign: Annotated[
        Path | None, typer.Argument(help="Campaign file in TOML; without one, the default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; default from the file.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Wall clock over all sessions: 90s, 8m, 1h.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="tiny, cpu, explore or a TOML file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every choice.")] = None,
    candidates: Annotated[
        int | None, typer.Option(help="Stop the search after this many candidates.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Parallel trials; default one per core.")
    ] = None,
    unsandboxed: Annotated[
        bool, typer.Option(help="Run candidates with YOUR rights. Written into every report.")
    ] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Search for better layers, or go on with a run that is there.

    Ctrl-C stops cleanly; the same command goes on. A larger --budget continues a finished run.

    Example: move37 run --name first --budget 8m
    """
    from move37.campaign.commands import run_campaign

    overrides = {
        "name": name,
        "preset": preset,
        "seed": seed,
        "workers": workers,
        "budget": {"wall_seconds": _seconds(budget), "max_candidates": candidates},
    }
    run_campaign(campaign, overrides, runs=runs, unsandboxed=unsandboxed)


@app.command()
def status(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Show how a run stands, on one screen. Works while it runs.

    Example: move37 status first
    """
    from move37.campaign.commands import show_status

    with _open_ledger(name, runs) as ledger:
        show_status(ledger, as_json=as_json)


@app.command()
def gallery(name: Name = "first", runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """List the layers that held up, with effects, intervals and cost.

    Example: move37 gallery first
    """
    from move37.campaign.commands import show_gallery

    with _open_ledger(name, runs) as ledger:
        show_gallery(ledger, as_json=as_json)


@app.command()
def show(
    candidate: Annotated[str, typer.Argument(help="Candidate id, or its first digits.")],
    name: Annotated[str, typer.Option("--run", help="Name of the run.")] = "first",
    source: Annotated[bool, typer.Option(help="Print only the source.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Show one candidate: idea, effects, probes, lineage, lesson; or its code.

    Example: move37 show 3f2a --source > layer.py
    """
    from move37.campaign.commands import show_candidate

    with _open_ledger(name, runs) as ledger:
        show_candidate(ledger, candidate, source_only=source)


@app.command()
def report(name: Name = "first", runs: Runs = Path("runs")) -> None:
    """Write the report of a run again (HTML and Markdown) and print where it is.

    Example: move37 report first
    """
    from move37.campaign.commands import report_run

    with _open_ledger(name, runs) as ledger:
        typer.echo(report_run(ledger, _run_folder(name, runs)))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A layer: our contract, or written the fla way.")],
    width: Annotated[int, typer.Option(help="d_model to probe at.")] = 64,
    heads: Annotated[int, typer.Option(help="Heads to probe with.")] = 2,
    unsandboxed: Annotated[bool, typer.Option(help="Run the layer with YOUR rights.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the admission probes on any layer: causality, streaming, independence, cost, ...

    Exit code 0: all passed; 1: some failed; 2: could not be checked.

    Example: move37 check my_layer.py --width 128
    """
    from move37.campaign.commands import check_layer

    all_passed = check_layer(
        file, d_model=width, n_heads=heads, unsandboxed=unsandboxed, as_json=as_json
    )
    raise typer.Exit(0 if all_passed else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has, and try the lab with good and bad candidates.

    Example: move37 doctor
    """
    from move37.campaign.examination import examine_machine

    raise typer.Exit(0 if examine_machine(as_json=as_json) else 1)


@app.command()
def mixers() -> None:
    """List the reference mixers that a campaign can start from or be compared with.

    Example: move37 mixers
    """
    import ast

    from move37.lab.references import reference_names, reference_source

    for name in reference_names():
        docstring = ast.get_docstring(ast.parse(reference_source(name))) or ""
        typer.echo(f"{name:22} {docstring.splitlines()[0]}")


@ledger_app.command()
def verify(name: Name = "first", runs: Runs = Path("runs")) -> None:
    """Recompute the hash chain and all tables; name the first difference.

    Example: move37 ledger verify first
    """
    with _open_ledger(name, runs) as ledger:
        difference = ledger.verify()
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
    with _open_ledger(name, runs) as ledger:
        if to is None:
            ledger.export(sys.stdout)
            return
        try:
            with to.open("w", encoding="utf-8") as file:
                typer.echo(f"{ledger.export(file)} events written to {to}", err=True)
        except OSError as error:
            raise ConfigError(f"--to {to} cannot be written: {error.strerror}") from error


def main() -> None:
    """Entry point: a Move37Error is one message and exit code 2, never a traceback."""
    try:
        app()
    except Move37Error as error:
        typer.echo(f"move37: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)


def _seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    from move37.campaign.settings import parse_duration

    return parse_duration(budget)


def _open_ledger(name: str, runs: Path) -> Ledger:
    from move37.memory.ledger import Ledger

    folder = _run_folder(name, runs)
    return Ledger.open(folder.ledger)


def _run_folder(name: str, runs: Path) -> RunFolder:
    from move37.campaign.assemble import RunFolder

    folder = RunFolder(path=runs / name)
    if not folder.exists:
        known = sorted(f.parent.name for f in runs.glob("*/ledger.db")) if runs.is_dir() else []
        raise ConfigError(
            f"no run {name!r} under {runs}; there are: {', '.join(known) or 'none'}; "
            "start one with: move37 run --name NAME"
        )
    return folder
