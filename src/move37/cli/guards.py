"""The verbs of the guards: the graph of families, and the labs of known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from move37.cli.shared import AsJson, app

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

guards_app = typer.Typer(
    help="Guards: who descends from whom, and whether thinking longer does harm.",
    no_args_is_help=True,
)
app.add_typer(guards_app, name="guards")


class LabName(StrEnum):
    """The labs."""

    INVERSE_SCALING = "inverse-scaling"
    SUBLIMINAL = "subliminal"
    POPULATION = "population"


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
    seed: Annotated[int, typer.Option(help="Of scripted solvers, and of who asks whom.")] = 0,
    seeds: Annotated[
        int | None,
        typer.Option(min=2, help="Networks side by side: 6, or 4 populations, if not said."),
    ] = None,
    generations: Annotated[int, typer.Option(min=1, help="Of the population.")] = 3,
    plot: Annotated[Path | None, typer.Option(help="Write a plot: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try the guards where the truth is known: scripted solvers, or teachers with a hidden defect.

    Example: move37 guards lab population --plot defect.png
    """
    from move37.campaign import guard_tables as tables
    from move37.guards import inverse_lab, labs, population_lab

    tell = _Told(plot=plot, as_json=as_json)
    match name:
        case LabName.INVERSE_SCALING:
            curves = inverse_lab.inverse_scaling(seed=seed)
            tell(curves, tables.plot_inverse_scaling, tables.print_inverse_scaling, asdict(curves))
        case LabName.POPULATION:
            arms = population_lab.population(
                seed=seed, n_seeds=seeds or 4, n_generations=generations
            )
            plain = [asdict(arm) for arm in arms]
            tell(arms, tables.plot_population, tables.print_population, plain)
        case LabName.SUBLIMINAL:
            nets = labs.subliminal(n_seeds=seeds or 6)
            tell(nets, tables.plot_subliminal, tables.print_subliminal, nets)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """How a lab's findings come out."""

    plot: Path | None
    as_json: bool

    def __call__(
        self,
        found: T,
        draw: Callable[[T, Path], None],
        show: Callable[[T, Console], None],
        plain: object,
    ) -> None:
        """Draw what was found, if asked to, and print it."""
        import json

        from rich.console import Console

        if self.plot:
            draw(found, self.plot)
        if self.as_json:
            typer.echo(json.dumps(plain))
        else:
            show(found, Console())
