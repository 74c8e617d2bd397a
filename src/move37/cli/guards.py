"""The verbs of the guards: the graph of families, and the labs of known truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, app

guards_app = typer.Typer(
    help="Guards: who descends from whom, and whether thinking longer does harm.",
    no_args_is_help=True,
)
app.add_typer(guards_app, name="guards")


class LabName(StrEnum):
    """The labs."""

    INVERSE_SCALING = "inverse-scaling"
    SUBLIMINAL = "subliminal"


@guards_app.command()
def families(
    file: Annotated[Path | None, typer.Option(help="TOML with [[line]] rows of your own.")] = None,
    team: Annotated[Path | None, typer.Option(help="A campaign's or team's TOML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how base models are related, with sources, and what a team file makes of it.

    Example: move37 guards families --team team.toml
    """
    import json

    from rich.console import Console

    from move37.campaign.guard_tables import print_families
    from move37.campaign.guarding import read_team
    from move37.guards.families import diversity_of, families_with

    graph = families_with(file)
    seated = read_team(team) if team else None
    if as_json:
        stated = diversity_of(seated, graph).model_dump() if seated else None
        lines = [line.model_dump() for line in graph.lines.values()]
        typer.echo(json.dumps({"lines": lines, "diversity": stated}))
        return
    print_families(graph, seated, Console())


@guards_app.command()
def lab(
    name: Annotated[LabName, typer.Argument(help="Which lab.")],
    seed: Annotated[int, typer.Option(help="Of the scripted solvers.")] = 0,
    seeds: Annotated[int, typer.Option(help="Networks that are trained side by side.")] = 6,
    plot: Annotated[Path | None, typer.Option(help="Write a plot: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try the guards where the truth is known: scripted solvers, or teachers with a hidden defect.

    Example: move37 guards lab subliminal --plot defect.png
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from move37.campaign import guard_tables
    from move37.guards import inverse_lab, labs

    if name is LabName.INVERSE_SCALING:
        figures = inverse_lab.inverse_scaling(seed=seed)
        if plot:
            guard_tables.plot_inverse_scaling(figures, plot)
        if as_json:
            typer.echo(json.dumps(asdict(figures)))
        else:
            guard_tables.print_inverse_scaling(figures, Console())
        return
    found = labs.subliminal(n_seeds=seeds)
    if plot:
        guard_tables.plot_subliminal(found, plot)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        guard_tables.print_subliminal(found, Console())
