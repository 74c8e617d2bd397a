"""`move37 run`: search, or go on searching."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from move37.cli.shared import AsJson, Name, Runs, Unsandboxed, Workers, app, run_folder

NewName = Annotated[
    str | None, typer.Option("--name", "--run", help="Name of the run; default from the file.")
]
Budget = Annotated[str | None, typer.Option(help="Wall clock over all sessions: 90s, 8m, 1h.")]
Team = Annotated[
    str | None,
    typer.Option(help="Language models: a team file in TOML, or providers: anthropic,openai."),
]
Dollars = Annotated[
    float | None, typer.Option(help="What language models may cost, over all sessions.")
]
Tokens = Annotated[str | None, typer.Option(help="Tokens language models may use: 500k, 4M.")]
SearchTokens = Annotated[
    str | None, typer.Option(help="Training tokens that end the search: 500k, 4M.")
]
Lessons = Annotated[
    Path | None, typer.Option(help="What an earlier run learnt: a file of move37 lessons.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it will use, check the team, start nothing.")
]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="MOVE37_DATABASE",
        help="PostgreSQL URL for the ledger; several drivers may share a run there.",
        show_envvar=True,
    ),
]
OnPage = Annotated[
    bool, typer.Option("--dashboard", help="Serve the run's page meanwhile, on this machine.")
]


@app.command()
def run(
    campaign: Annotated[
        Path | None, typer.Argument(help="Campaign file in TOML; without one, the default.")
    ] = None,
    name: NewName = None,
    budget: Budget = None,
    preset: Annotated[str | None, typer.Option(help="tiny, cpu, explore or a TOML file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every choice.")] = None,
    candidates: Annotated[
        int | None, typer.Option(help="Stop the search after this many candidates.")
    ] = None,
    workers: Workers = None,
    team: Team = None,
    dollars: Dollars = None,
    tokens: Tokens = None,
    search_tokens: SearchTokens = None,
    lessons: Lessons = None,
    dry_run: DryRun = False,
    database: Database = None,
    unsandboxed: Unsandboxed = False,
    dashboard: OnPage = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Search for better layers, or go on with a run that is there.

    Ctrl-C stops cleanly; the same command goes on. A larger --budget continues a finished run.
    With --json, standard output is the end result; progress is printed on standard error.

    Example: move37 run --name first --budget 8m
    """
    from move37.campaign.commands import estimate_campaign, run_campaign

    overrides = {
        "name": name,
        "preset": preset,
        "seed": seed,
        "workers": workers,
        "team": _team(team),
        "search": _lessons(lessons),
        "budget": {
            "wall_seconds": _seconds(budget),
            "max_candidates": candidates,
            "dollars": dollars,
            "tokens": _count(tokens, "--tokens"),
            "search_tokens": _count(search_tokens, "--search-tokens"),
        },
        "database": database,
    }
    if dry_run:
        estimate_campaign(campaign, overrides, runs=runs, as_json=as_json)
        return
    how = {"runs": runs, "unsandboxed": unsandboxed, "as_json": as_json}
    if not dashboard:
        run_campaign(campaign, overrides, **how)
        return
    from rich.console import Console

    from move37.campaign.settings import load_campaign
    from move37.dashboard.serving import beside

    console = Console(stderr=as_json)
    with beside(runs, load_campaign(campaign, overrides).name, console):
        run_campaign(campaign, overrides, **how)


@app.command()
def replay(
    name: Name,
    into: Annotated[
        str | None, typer.Option(help="Name of the replay; default NAME-replay.")
    ] = None,
    unsandboxed: Annotated[
        bool, typer.Option(help="Run what must be run again with YOUR rights.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Make every choice of a run again from recorded replies and trials, without a network.

    Exit code 1 if other candidates or other verdicts of the search come out.

    Example: move37 replay first
    """
    from move37.campaign.replay_screen import show_replay

    folder = run_folder(name, runs)
    same = show_replay(folder, into or f"{name}-replay", unsandboxed=unsandboxed, as_json=as_json)
    if not same:
        raise typer.Exit(1)


def _lessons(file: Path | None) -> dict[str, object] | None:
    if file is None:
        return None
    from move37.core.errors import ConfigError
    from move37.insights.method import read_lessons

    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"--lessons {file} cannot be read: {error}") from error
    return {"seed_lessons": tuple(read_lessons(text).items())}


def _seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    from move37.campaign.settings import parse_duration

    return parse_duration(budget)


def _team(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    from move37.campaign.team_file import load_team

    return load_team(text).model_dump(mode="json")


def _count(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    from move37.campaign.comparing import parse_count

    return parse_count(text, option=option)
