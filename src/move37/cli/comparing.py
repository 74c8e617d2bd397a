"""The verbs that compare whole campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Runs, app


@app.command()
def ablate(
    campaign: Annotated[
        Path | None, typer.Argument(help="Campaign file in TOML; without one, the default.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the folder under --runs.")] = "ablation",
    preset: Annotated[str | None, typer.Option(help="tiny, cpu, explore or a TOML file.")] = None,
    tokens: Annotated[
        str, typer.Option(help="Training tokens of each search: 500k, 4M; roots not counted.")
    ] = "4M",
    campaigns: Annotated[int, typer.Option(help="Campaigns per arm: seeds 0, 1, ...")] = 5,
    arms: Annotated[
        str | None, typer.Option(help="Arms beside the default one, by comma; default all.")
    ] = None,
    fresh: Annotated[int, typer.Option(help="Fresh seeds on which winners are measured.")] = 4,
    at: Annotated[
        str, typer.Option(help="Parts of the budget after which a winner is declared: 0.25,0.5,1.")
    ] = "1",
    workers: Annotated[
        int | None, typer.Option(help="Parallel trials; default one per core.")
    ] = None,
    unsandboxed: Annotated[
        bool, typer.Option(help="Run candidates with YOUR rights. Written into every report.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Run matched campaigns with one thing changed, and say what each thing is worth.

    Ctrl-C stops cleanly; the same command goes on. More arms or campaigns may be added later.

    Example: move37 ablate --arms random,no_lessons --campaigns 3 --tokens 2M
    """
    from move37.campaign.comparing import ablate_campaign

    ablate_campaign(
        campaign,
        {"preset": preset, "workers": workers},
        folder=runs / name,
        tokens=tokens,
        n_campaigns=campaigns,
        arms=arms or "",
        n_fresh=fresh,
        shares=at,
        unsandboxed=unsandboxed,
        as_json=as_json,
    )
