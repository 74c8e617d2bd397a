"""The verb that exports training data for a named student."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Name, Runs, app, open_ledger


@app.command()
def dataset(
    name: Name,
    student: Annotated[str, typer.Option(help="Model that will be trained: `provider:model`.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("dataset"),
    families: Annotated[
        Path | None, typer.Option(help="TOML with [[line]] rows of your own.")
    ] = None,
    unknown_student: Annotated[
        bool,
        typer.Option(
            "--unknown-student",
            help="No row of the graph knows the student, and it has no relatives in the run.",
        ),
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Export training data for a student, without anything its relatives wrote or judged.

    Example: move37 dataset first --student openai-compatible:qwen2.5-7b --out for-qwen
    """
    import json
    from dataclasses import asdict

    from move37.campaign.dataset import ANCHOR_SHARE, export_dataset
    from move37.campaign.folder import stored_config
    from move37.campaign.tables import escape_markup
    from move37.guards.families import families_with

    graph = families_with(families)
    with open_ledger(name, runs) as ledger:
        team = stored_config(ledger).team
        exported = export_dataset(
            ledger,
            team,
            graph,
            student=student,
            folder=out,
            unknown_student=unknown_student,
        )
    if as_json:
        typer.echo(json.dumps(asdict(exported)))
        return
    for form, n in exported.rows.items():
        typer.echo(f"{n:6} {form}")
    for reason, n in sorted(exported.refused.items()):
        typer.echo(f"{n:6} left out: {escape_markup(reason)}")
    typer.echo(f"mix in at least {ANCHOR_SHARE:.0%} of data from elsewhere; see docs/guards.md")
