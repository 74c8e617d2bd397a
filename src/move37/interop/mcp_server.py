"""`move37 mcp`: a coding agent as the team, over the Model Context Protocol on stdio.

Only the wire is here: names, types and docstrings of the tools, and errors as answers. What they do
is `mcp_desk`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from move37 import __version__
from move37.core.errors import ReplyError
from move37.interop.mcp_desk import AgentDesk

INSTRUCTIONS = """
You are the team of a move37 campaign: it searches for sequence-mixing layers that beat a baseline
at equal size. Work in a loop: get_brief, write a layer, check_draft until every probe passes,
submit_candidate, wait_for_result, write_lesson. Every candidate is trained and measured by the
campaign; nothing you say changes a number. Several candidates may be on their way at once.
"""

Wait = Annotated[float, Field(ge=0, le=600, description="Seconds to wait at most.")]
Index = Annotated[int, Field(ge=0, description="The candidate's number, from get_brief.")]


def make_server(desk: AgentDesk) -> MCPServer:
    """Return the server of one session."""
    server = MCPServer("move37", version=__version__, instructions=INSTRUCTIONS.strip())
    _add_looking(server, desk)
    _add_working(server, desk)
    return server


def _add_looking(server: MCPServer, desk: AgentDesk) -> None:
    @server.tool(structured_output=False)
    async def read_state() -> str:
        """Say how the campaign stands: stage, time left, the best so far, what waits for you."""
        return await _answer(desk.read_state)

    @server.tool(structured_output=False)
    async def read_candidate(candidate_id: str) -> str:
        """Idea, measurements and code of one candidate, by its id."""
        return await _answer(lambda: desk.bench().read_candidate(candidate_id))

    @server.tool(structured_output=False)
    async def search_cards(query: str) -> str:
        """Cards from the literature that fit a question in words."""
        return await _answer(lambda: desk.bench().search_cards(query))

    @server.tool(structured_output=False)
    async def search_lessons(query: str) -> str:
        """Lessons of this campaign that fit a question in words."""
        return await _answer(lambda: desk.bench().search_lessons(query))


def _add_working(server: MCPServer, desk: AgentDesk) -> None:
    @server.tool(structured_output=False)
    async def get_brief(wait_seconds: Wait = 60.0) -> str:
        """What the next candidate is to be made from, with the contract and the material."""
        return await _answer(lambda: desk.get_brief(wait_seconds))

    @server.tool(structured_output=False)
    async def check_draft(source: str) -> str:
        """Run the admission probes on a draft: the whole Python file that defines class Mixer."""
        return await _answer(lambda: desk.check_draft(source))

    @server.tool(structured_output=False)
    async def smoke_train(source: str) -> str:
        """Train a draft for at most ten seconds and say whether its loss falls."""
        return await _answer(lambda: desk.bench().smoke_train(source))

    @server.tool(structured_output=False)
    async def submit_candidate(
        index: Index,
        name: str,
        motivation: str,
        mechanism: str,
        source: str,
        elements: list[dict[str, str]] | None = None,
        predictions: list[dict[str, Any]] | None = None,
    ) -> str:
        """Hand in a candidate.

        elements: {"name", "origin": "card" | "lesson" | "original", "source": id} for each design
        element you changed. predictions: {"task", "effect" in noise units, "confidence"}.
        """
        return await _answer(
            lambda: desk.submit(
                index,
                name=name,
                motivation=motivation,
                mechanism=mechanism,
                source=source,
                elements=elements or (),
                predictions=predictions or (),
            )
        )

    @server.tool(structured_output=False)
    async def wait_for_result(index: Index, wait_seconds: Wait = 60.0) -> str:
        """What became of a candidate, and the tables its lesson may rest on."""
        return await _answer(lambda: desk.wait_for_result(index, wait_seconds))

    @server.tool(structured_output=False)
    async def write_lesson(
        index: Index, lesson: str, weaknesses: list[str] | None = None, ablate: str = ""
    ) -> str:
        """Say what a candidate taught: what was tried, what happened, why, for whom it is useful.

        Quote measured numbers only. ablate: one design element to be tried without; may be empty.
        """
        return await _answer(
            lambda: desk.write_lesson(index, lesson, weaknesses=weaknesses or (), ablate=ablate)
        )


async def _answer(ask: Callable[[], str]) -> str:
    """Answer in a thread, so that waiting holds nobody up; what was wrong is told to the agent."""
    try:
        return await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
    except ReplyError as error:
        raise ToolError(str(error)) from error
