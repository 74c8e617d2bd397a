"""`move37 run`: search, or go on searching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import Runs, app


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


def _seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    from move37.campaign.settings import parse_duration

    return parse_duration(budget)
