"""What `move37 replay` prints."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from rich.console import Console

from move37.campaign.assemble import RunFolder
from move37.campaign.folder import new_run
from move37.campaign.replay import replay
from move37.campaign.tables import escape_markup

SHOWN = 10


def show_replay(folder: RunFolder, into: str, *, unsandboxed: bool, as_json: bool) -> bool:
    """Replay a run beside itself and say how it compares; return whether it is the same."""
    target = new_run(folder.path.parent, into, option="--into")
    found = replay(folder, target, unsandboxed=unsandboxed)
    if as_json:
        json.dump(asdict(found) | {"is_same": found.is_same}, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return found.is_same
    console = Console(highlight=False)
    console.print(
        f"replayed {found.n_indices} indices, {found.n_candidates} candidates and "
        f"{found.n_requests} requests to language models into {target.path}",
        soft_wrap=True,
    )
    if found.drifted:
        more = f"{len(found.drifted)} requests were worded otherwise than the recorded ones, first"
        console.print(escape_markup(f"{more} {found.drifted[0]}; the recorded replies were used"))
    for line in found.differences[:SHOWN]:
        console.print(escape_markup(line), soft_wrap=True)
    if found.is_same:
        console.print("[bold]the same candidates and the same verdicts of the search[/]")
    else:
        console.print(f"[bold red]{len(found.differences)} of {found.n_indices} indices differ[/]")
    return found.is_same
