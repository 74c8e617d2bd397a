"""The app that all verbs hang on, and the options that several of them share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from move37.core.errors import ConfigError

if TYPE_CHECKING:
    from move37.campaign.folder import RunFolder
    from move37.memory.ledger import Ledger

app = typer.Typer(
    name="move37",
    help="An autonomous laboratory that invents sequence-mixing layers that hold up.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes cost 0.13 s: help must be instant
    pretty_exceptions_enable=False,
)

Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds all runs.")]
Name = Annotated[str, typer.Argument(help="Name of a run: a folder under --runs.")]
Workers = Annotated[int | None, typer.Option(help="Parallel trials; default one per core.")]
Unsandboxed = Annotated[
    bool, typer.Option(help="Run candidates with YOUR rights. Written into every report.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def open_ledger(name: str, runs: Path) -> Ledger:
    """Open the ledger of a run that is there.

    Raises:
        ConfigError: there is no such run; those that are there are named.
    """
    return run_folder(name, runs).open_ledger()


def run_folder(name: str, runs: Path) -> RunFolder:
    """Return the folder of a run that is there.

    Raises:
        ConfigError: there is no such run; those that are there are named.
    """
    from move37.campaign.folder import RunFolder

    folder = RunFolder(path=runs / name)
    if not folder.exists:
        files = [*runs.glob("*/ledger.db"), *runs.glob("*/database")] if runs.is_dir() else []
        known = sorted({file.parent.name for file in files})
        raise ConfigError(
            f"no run {name!r} under {runs}; there are: {', '.join(known) or 'none'}; "
            "start one with: move37 run --name NAME"
        )
    return folder
