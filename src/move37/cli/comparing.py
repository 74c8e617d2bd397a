"""The verbs that compare whole campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Runs, Unsandboxed, Workers, app, run_folder


@app.command()
def ablate(
    campaign: Annotated[
        Path | None, typer.Argument(help="Campaign file in TOML; without one, the default.")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", "--run", help="Name of the folder under --runs.")
    ] = "ablation",
    preset: Annotated[str | None, typer.Option(help="tiny, cpu, explore or a TOML file.")] = None,
    search_tokens: Annotated[
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
    workers: Workers = None,
    unsandboxed: Unsandboxed = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Run matched campaigns with one thing changed, and say what each thing is worth.

    Ctrl-C stops cleanly; the same command goes on. More arms or campaigns may be added later.

    Example: move37 ablate --arms random,no_lessons --campaigns 3 --search-tokens 2M
    """
    from move37.campaign.comparing import ablate_campaign
    from move37.campaign.folder import new_run

    ablate_campaign(
        campaign,
        {"preset": preset, "workers": workers},
        folder=new_run(runs, name).path,
        tokens=search_tokens,
        n_campaigns=campaigns,
        arms=arms or "",
        n_fresh=fresh,
        shares=at,
        unsandboxed=unsandboxed,
        as_json=as_json,
    )


@app.command()
def verify(
    candidate: Annotated[str, typer.Argument(help="Id of a gallery entry, or its first digits.")],
    name: Annotated[str, typer.Option("--run", help="Name of the run.")] = "first",
    opponents: Annotated[
        str, typer.Option(help="Mixers to train beside it: all, none, or names by comma.")
    ] = "all",
    budget: Annotated[
        str | None, typer.Option(help="Stop after this time: 30m, 2h; the same command goes on.")
    ] = None,
    workers: Workers = None,
    unsandboxed: Unsandboxed = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Try a gallery entry at a larger scale: more parameters, more training, tasks never seen.

    Each layer gets the best of three learning rates. The verdict, VERIFIED or REFUTED, is written
    into the ledger. With all opponents this takes hours on two cores; Ctrl-C stops cleanly.

    Example: move37 verify 3f2a --run first --opponents gated_deltanet,mamba3
    """
    from move37.campaign.settings import parse_duration
    from move37.campaign.verifying import verify_candidate

    named = tuple(part.strip() for part in opponents.split(",") if part.strip())
    verify_candidate(
        run_folder(name, runs),
        candidate,
        opponents=None if named == ("all",) else () if named == ("none",) else named,
        budget_seconds=None if budget is None else parse_duration(budget),
        workers=workers,
        unsandboxed=unsandboxed,
        as_json=as_json,
    )
