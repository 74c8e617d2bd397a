"""The verbs that let somebody else propose: a person with a file, an agent over a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from move37.cli.shared import Runs, app
from move37.core.errors import ConfigError

RunName = Annotated[str | None, typer.Option("--run", help="Name of the run; default: first.")]
Budget = Annotated[str | None, typer.Option(help="Wall clock over all sessions: 90s, 8m, 1h.")]
PresetName = Annotated[str | None, typer.Option(help="tiny, cpu, explore or a TOML file.")]
Seed = Annotated[int | None, typer.Option(help="Seed of every choice.")]
Unsandboxed = Annotated[
    bool, typer.Option(help="Run candidates with YOUR rights. Written into every report.")
]


@app.command()
def propose(
    file: Annotated[Path, typer.Argument(help="A layer: our contract, or written the fla way.")],
    motivation: Annotated[str, typer.Option(help="Why it should work, before it is measured.")],
    mechanism: Annotated[str, typer.Option(help="What it computes, in words or formulas.")] = "",
    name: Annotated[str | None, typer.Option(help="Its name; default: the file's.")] = None,
    run: RunName = None,
    budget: Budget = None,
    preset: PresetName = None,
    seed: Seed = None,
    unsandboxed: Unsandboxed = False,
    runs: Runs = Path("runs"),
) -> None:
    """Put a hand-written layer through a run: probes, racing, verdict, confirmation, lesson.

    Example: move37 propose my_layer.py --motivation "two decay rates remember longer" --run first
    """
    from move37.campaign.handwork import propose_layer
    from move37.core.candidate import Idea

    if not motivation.strip():
        raise ConfigError("--motivation must say why the layer should work; it is part of the idea")
    idea = Idea(name=name or file.stem, motivation=motivation.strip(), mechanism=mechanism.strip())
    overrides = _overrides(run, budget, preset, seed)
    propose_layer(file, idea, overrides, runs=runs, unsandboxed=unsandboxed)


@app.command()
def mcp(
    run: RunName = None,
    author: Annotated[str, typer.Option(help="What candidates are signed with.")] = "agent",
    budget: Budget = None,
    preset: PresetName = None,
    seed: Seed = None,
    candidates: Annotated[
        int | None, typer.Option(help="Stop the search after this many candidates.")
    ] = None,
    lesson_seconds: Annotated[
        float, typer.Option(help="How long a lesson is waited for.", min=0)
    ] = 300.0,
    unsandboxed: Unsandboxed = False,
    runs: Runs = Path("runs"),
) -> None:
    """Let a coding agent be the team, over the Model Context Protocol on standard input and output.

    One session of the run, by the same rules, within the same budget, in the same ledger.

    Example: move37 mcp --run agent --budget 1h
    """
    from move37.interop.mcp_session import serve

    overrides = _overrides(run, budget, preset, seed)
    overrides["budget"]["max_candidates"] = candidates
    serve(overrides, runs=runs, author=author, lesson_seconds=lesson_seconds,
          unsandboxed=unsandboxed)  # fmt: skip


def _overrides(
    run: str | None, budget: str | None, preset: str | None, seed: int | None
) -> dict[str, Any]:
    from move37.campaign.settings import parse_duration

    seconds = None if budget is None else parse_duration(budget)
    return {"name": run, "preset": preset, "seed": seed, "budget": {"wall_seconds": seconds}}
