"""The verbs that examine: a layer, this machine, the reference mixers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, app


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
def mixers(as_json: AsJson = False) -> None:
    """List the reference mixers that a campaign can start from or be compared with.

    Example: move37 mixers
    """
    import ast
    import json

    from move37.core.parsing import parse
    from move37.lab.references import reference_names, reference_source

    known: dict[str, str] = {}
    for name in reference_names():
        docstring = ast.get_docstring(parse(reference_source(name))) or ""
        known[name] = docstring.partition("\n")[0]
    if as_json:
        typer.echo(json.dumps([{"name": name, "what": what} for name, what in known.items()]))
        return
    for name, what in known.items():
        typer.echo(f"{name:22} {what}")
