"""One session of a run with a coding agent as its team: open, serve on stdio, close.

No report is written: clients give a server two seconds to end. `move37 report` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from move37.campaign.assemble import open_workshop
from move37.campaign.commands import settle
from move37.core.errors import ConfigError
from move37.interop.mcp_desk import AgentDesk


def serve(
    overrides: dict[str, Any],
    *,
    runs: Path,
    author: str,
    lesson_seconds: float,
    unsandboxed: bool,
) -> None:
    """Serve until the agent goes or the process ends; then close the session in good order.

    Standard output is the protocol's: nothing else is written there.

    Raises:
        ConfigError: the protocol's library is not installed, or the run is another campaign.
        LabError, LedgerError: the laboratory or the ledger is broken.
    """
    try:
        from move37.interop.mcp_server import make_server
    except ImportError as error:
        raise ConfigError(
            f"the Model Context Protocol needs its library: pip install 'move37[mcp]' ({error})"
        ) from error
    config, folder = settle(None, overrides, runs=runs)
    with open_workshop(config, folder, unsandboxed=unsandboxed) as workshop:
        with AgentDesk(workshop, author=author, lesson_seconds=lesson_seconds) as desk:
            make_server(desk).run("stdio")
        desk.ending()  # raises what ended it badly
