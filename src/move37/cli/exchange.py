"""The verbs that bring things in and take things out: import, audit, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Name, Runs, app, open_ledger, run_folder

import_app = typer.Typer(no_args_is_help=True, help="Bring in a campaign that others published.")
app.add_typer(import_app, name="import")


@import_app.command("asi-arch")
def import_asi_arch(
    folder: Annotated[Path, typer.Argument(help="Folder with tree.json, 106.json, or both.")],
    name: Annotated[str, typer.Option(help="Name of the new run under --runs.")] = "asi-arch",
    runs: Runs = Path("runs"),
) -> None:
    """Read what ASI-Arch published into a run that every other verb can show.

    Example: move37 import asi-arch ASI-Arch/data --name ancestor
    """
    from move37.campaign.tables import escape_markup
    from move37.interop.asi_arch import read_folder
    from move37.interop.importing import import_reading

    reading = read_folder(folder)
    n_records = import_reading(reading, runs, name)
    typer.echo(f"{n_records} records imported from {', '.join(reading.files)} into run {name!r}")
    for remark in reading.remarks:
        typer.echo(f"  {escape_markup(remark)}")
    typer.echo(f"look at it: move37 tree {name}; examine it: move37 audit {name}")


@app.command()
def audit(
    name: Name,
    most: Annotated[
        int | None, typer.Option(help="Probe at most this many programs now.", min=0)
    ] = None,
    width: Annotated[int, typer.Option(help="d_model to probe at.", min=1)] = 128,
    heads: Annotated[int, typer.Option(help="Heads to probe with.", min=1)] = 4,
    baseline: Annotated[
        str | None, typer.Option(help="Number of the record to compare accuracies with.")
    ] = None,
    unsandboxed: Annotated[bool, typer.Option(help="Run programs with YOUR rights.")] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Run the admission probes on an imported campaign's programs, and weigh its numbers.

    Verdicts are kept in the ledger: the same command goes on where it was stopped.

    Example: move37 audit ancestor
    """
    from move37.interop.auditing import audit_run

    audit_run(
        open_ledger(name, runs),
        run_folder(name, runs).path,
        d_model=width,
        n_heads=heads,
        most=most,
        baseline=baseline,
        unsandboxed=unsandboxed,
        as_json=as_json,
    )


@app.command()
def export(
    candidate: Annotated[str, typer.Argument(help="Candidate id, or its first digits.")],
    name: Annotated[str, typer.Option("--run", help="Name of the run.")] = "first",
    to: Annotated[
        Path | None, typer.Option(help="New folder; default RUN/export/ID under --runs.")
    ] = None,
    unsandboxed: Annotated[
        bool, typer.Option(help="If it must be trained anew: with YOUR rights.")
    ] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Write a folder others can use: one-file layer, Hugging Face model, weights, card, self-test.

    Example: move37 export 3f2a --run first --to my-layer
    """
    from move37.interop.exporting import export_candidate

    with open_ledger(name, runs) as ledger:
        folder, weights = export_candidate(
            ledger, run_folder(name, runs), candidate, to=to, unsandboxed=unsandboxed
        )
    kept = "trained anew, as the recorded file was not kept" if weights.is_anew else "as recorded"
    typer.echo(f"{folder}: weights of a {weights.trial.spec.stage} training, {kept}")
    typer.echo(f"check it: python {folder}/self_test.py")
