"""The verb that probes a model: does thinking longer help or harm it?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from move37.cli.guards import guards_app
from move37.cli.shared import AsJson


class RoleName(StrEnum):
    """Members of a team; `core.team` would load pydantic for every --help."""

    RESEARCHER = "researcher"
    ENGINEER = "engineer"
    ANALYST = "analyst"
    JUDGE = "judge"


@guards_app.command()
def probe(
    model: Annotated[
        str,
        typer.Option(help="PROVIDER:MODEL, a name in --team, or scripted:falling (rising, flat)."),
    ] = "",
    role: Annotated[
        RoleName, typer.Option(help="Whose work the probes are like.")
    ] = RoleName.RESEARCHER,
    team: Annotated[Path | None, typer.Option(help="A team's TOML file with the model.")] = None,
    efforts: Annotated[str, typer.Option(help="At least two: none,low,medium,high.")] = "",
    kinds: Annotated[str, typer.Option(help="Kinds of probes; default: the role's.")] = "",
    n: Annotated[int, typer.Option("--n", help="Probes, each asked at every effort.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the probes.")] = 0,
    dial: Annotated[int | None, typer.Option(help="Distraction, 0 to 4; default: all.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Questions at once.")] = 4,
    dollars: Annotated[float | None, typer.Option(help="Most it may cost; default 5.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Most tokens, in place of dollars.")] = None,
    into: Annotated[Path, typer.Option(help="Folder for replies and plot.")] = Path("probes"),
    show: Annotated[Path | None, typer.Option(help="Show a file of replies; ask nothing.")] = None,
    unsandboxed: Annotated[
        bool, typer.Option(help="Run repaired layers with YOUR rights.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a model questions with known answers at several efforts: does thinking longer harm?

    The same command goes on where it was; nothing is asked or paid twice.

    Example: move37 guards probe --model scripted:falling --role engineer
    """
    from move37.campaign.probe_verb import Asked, probe_model, show_sheet
    from move37.core.errors import ConfigError
    from move37.core.team import Role

    if show is not None:
        show_sheet(show, as_json=as_json)
        return
    if not model:
        raise ConfigError("say which model: --model PROVIDER:MODEL, or --model scripted:falling")
    asked = Asked(
        model=model,
        role=Role(role),
        team=team,
        efforts=efforts,
        kinds=kinds,
        n=n,
        seed=seed,
        dial=dial,
        workers=workers,
        dollars=dollars,
        tokens=tokens,
        into=into,
        unsandboxed=unsandboxed,
    )
    probe_model(asked, as_json=as_json)
