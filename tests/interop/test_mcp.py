"""A coding agent as the team: a client drives a whole step over stdio.

G1  The tools are those that a team needs, each with words on what it does.
G2  Draft, submission, result and lesson go through the campaign's own doors and into its ledger.
G3  What is wrong is answered, not fatal: a bad draft, a wrong number, an invented figure.
G4  What the agent is shown holds no confirmation and no secret.
G5  When the agent goes, the session is closed in good order; when it comes again, it finds the run
    where it was, and nothing is run twice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

import move37
from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.settings import load_campaign
from move37.core.events import (
    CandidateProposed,
    LessonWritten,
    SessionClosed,
    TrialFinished,
)
from move37.lab.references import reference_source
from move37.memory.ledger import Ledger

TOOLS = {
    "read_state", "read_candidate", "search_cards", "search_lessons", "get_brief", "check_draft",
    "smoke_train", "submit_candidate", "wait_for_result", "write_lesson",
}  # fmt: skip
LESSON = "A gated decay was tried in place of none; the numbers above say what came of it."


class Agent:
    """The other end: calls tools and keeps every text it was shown."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: list[str] = []

    async def call(self, tool: str, **arguments: object) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result.content
        return self._text(result)

    async def refused(self, tool: str, **arguments: object) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, result.content
        return self._text(result)

    def _text(self, result) -> str:
        text = "\n".join(part.text for part in result.content)
        self.seen.append(text)
        return text


def begun_run(runs: Path) -> None:
    """A run that has begun, of seconds a candidate."""
    config = load_campaign(
        None,
        {
            "name": "agent", "preset": "tiny", "seed": 3, "opponents": ["deltanet"], "workers": 2,
            "budget": {"wall_seconds": 600}, "evidence": {"confirm_seeds_min": 2,
                                                          "confirm_seeds_max": 2},
        },
    )  # fmt: skip
    with open_workshop(config, RunFolder(path=runs / "agent")):
        pass


PROPOSAL = {
    "name": "gated memory",
    "motivation": "Linear attention never forgets, so old content crowds out the new.",
    "mechanism": "S = diag(a) S + k v^T with a from the input",
    "source": reference_source("gla"),
    "elements": [{"name": "channel decay", "origin": "original"}],
    "predictions": [{"task": "recall", "effect": 1.0, "confidence": 0.7}],
}


async def look_and_draft(agent: Agent) -> None:
    """Get a brief, check drafts, and go without handing in."""
    tools = (await agent.client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    assert all(tool.description for tool in tools)
    brief = await agent.call("get_brief", wait_seconds=200)
    assert "candidate 0" in brief
    assert "first parent: code" in brief
    assert "would be refused" in await agent.call("check_draft", source="class Mixer:\n    pass\n")
    assert "does not parse" in await agent.refused("check_draft", source="class (")
    assert "every probe passed" in await agent.call("check_draft", source=PROPOSAL["source"])


async def hand_in(agent: Agent) -> None:
    """Find the same brief again, hand in, see the result, and go without a lesson."""
    assert "candidate 0" in await agent.call("get_brief", wait_seconds=200)
    assert "no brief for candidate 5" in await agent.refused(
        "submit_candidate", index=5, **PROPOSAL
    )
    await agent.call("submit_candidate", index=0, **PROPOSAL)
    result = await agent.call("wait_for_result", index=0, wait_seconds=200)
    assert "Its lesson is due" in result


async def learn(agent: Agent) -> None:
    """Write the lesson that is still due."""
    assert "Its lesson is due" in await agent.call("wait_for_result", index=0, wait_seconds=200)
    assert "77.125" in await agent.refused(
        "write_lesson", index=0, lesson=f"{LESSON} It gained 77.125."
    )
    assert "recorded" in await agent.call("write_lesson", index=0, lesson=LESSON)
    assert "gated memory" in await agent.call("read_state")
    await agent.refused("read_candidate", candidate_id="no such id")


async def whole_step(runs: Path) -> list[str]:
    """Drive one step over three connections; return every text that was shown."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "move37", "mcp", "--run", "agent", "--candidates", "1", "--runs", str(runs)],
        env={"PYTHONPATH": str(Path(move37.__file__).parents[1])},
    )
    seen: list[str] = []
    for visit in (look_and_draft, hand_in, learn):
        async with Client(server) as client:
            agent = Agent(client)
            await visit(agent)
            seen += agent.seen
    return seen


@pytest.fixture(scope="module")
def driven(tmp_path_factory) -> tuple[Path, list[str]]:
    runs = tmp_path_factory.mktemp("runs")
    begun_run(runs)
    with anyio.from_thread.start_blocking_portal() as portal:
        return runs / "agent", portal.call(whole_step, runs)


def test_a_whole_step_is_in_the_ledger(driven):
    """G1, G2, G3."""
    folder, _ = driven
    with Ledger.open(folder / "ledger.db") as ledger:
        entries = {e.index: e for e in ledger.state().candidates.values() if e.index >= 0}
        lessons = list(ledger.events([LessonWritten]))
        assert ledger.verify() is None
    assert set(entries) == {0}
    assert entries[0].candidate.author == "agent"
    assert entries[0].candidate.idea.predictions[0].confidence == 0.7
    assert entries[0].verdict is not None
    assert [(e.author, LESSON in e.text) for e in lessons] == [("agent", True)]


def test_nothing_private_was_shown(driven):
    """G4."""
    folder, seen = driven
    shown = "\n".join(seen)
    assert (folder / "secret").read_bytes().hex() not in shown
    assert "e-value" not in shown
    assert "confirmed" not in shown


def test_the_session_was_closed(driven):
    """G5."""
    folder, _ = driven
    with Ledger.open(folder / "ledger.db") as ledger:
        assert len(list(ledger.events([SessionClosed]))) == 3
        assert len(list(ledger.events([CandidateProposed]))) == 1
        specs = [e.trial.spec for e in ledger.events([TrialFinished])]
    assert len(specs) == len(set(specs))
