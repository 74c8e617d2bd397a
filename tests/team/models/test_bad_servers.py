"""A seat at a server that misbehaves in every way we know: real HTTP on loopback.

F1  Whatever a server sends, the conversation ends in an answer or a ReplyError, within its bounds.
F2  What may pass is tried again; what may not is not.
F3  A key is never in an event, a text or an error, though a server repeats it.
F4  Numbers of a server are not believed beyond what they can be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fault_server import DRAFT, FAULTS, FaultServer
from pydantic import BaseModel

from move37.core.errors import ConfigError, ReplyError
from move37.core.events import CallEnded, ModelCalled
from move37.core.team import ModelConfig, Role, SeatConfig, TeamConfig
from move37.team.models.calls import MemoryClerk, Question
from move37.team.models.desk import Desk
from move37.team.models.preflight import check_team

KEY = "sk-very-secret-0123456789"
pytestmark = pytest.mark.filterwarnings(  # said by the library of a server that lies about usage
    "ignore::pydantic_ai._warnings.UsageExtractionFailedWarning"
)
PASSING = ("rate_limited", "busy", "broken", "overloaded", "cut", "hangs_up", "slow", "endless",
           "not_json", "no_choices", "list_body", "bad_bytes")  # fmt: skip
LASTING = ("wrong_key", "forbidden", "not_found")
CORRECTED = ("malformed_json", "malformed_arguments", "wrong_types", "prose", "empty", "nothing",
             "wrong_tool", "injection")  # fmt: skip


class Draft(BaseModel):
    """What is asked for."""

    title: str
    size: int


def config_of(server: FaultServer, **seat: Any) -> TeamConfig:
    model = ModelConfig(
        provider="openai-compatible", model="m", base_url=server.url, key_env="FAULT_KEY"
    )
    bounds = {"backoff_seconds": 0, "attempts": 2, "corrections": 1, "request_seconds": 1.0}
    return TeamConfig(
        researcher="llm",
        models={"m": model},
        roles={Role.RESEARCHER: SeatConfig.model_validate({**bounds, **seat})},
    )


Ask = Callable[..., tuple[Any, MemoryClerk, FaultServer]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Ask a server with these faults; gives the answer or ReplyError, the books, the server."""
    monkeypatch.setenv("FAULT_KEY", KEY)
    opened: list[Any] = []

    def run(*faults: str, output: type = Draft, **seat: Any) -> Any:
        server = FaultServer(faults).__enter__()
        clerk = MemoryClerk()
        desk = Desk(config_of(server, **seat), clerk)
        opened.extend([desk.close, server.__exit__])
        question = Question(instructions="be brief", prompt="a layer please", output=output)
        try:
            found: Any = desk.seat(Role.RESEARCHER, index=0).ask(question).output
        except ReplyError as error:
            found = error
        return found, clerk, server

    yield run
    for close in opened:
        close()


def requests(clerk: MemoryClerk) -> list[ModelCalled]:
    return [e for e in clerk.events if isinstance(e, ModelCalled)]


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"good"}))
def test_whatever_a_server_does_the_conversation_ends(ask: Ask, fault: str) -> None:
    """F1: in time, with as many requests as the seat allows, and the end is recorded."""
    started = time.monotonic()
    found, clerk, _ = ask(fault)
    assert isinstance(found, Draft | ReplyError)
    assert len(requests(clerk)) <= 4
    assert isinstance(clerk.events[-1], CallEnded)
    assert time.monotonic() - started < 12.0


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(ask: Ask, fault: str) -> None:
    """F2."""
    found, clerk, _ = ask(fault, "good")
    assert found == Draft(**DRAFT)
    assert len(requests(clerk)) == 2


@pytest.mark.parametrize("fault", LASTING)
def test_what_cannot_pass_is_asked_once(ask: Ask, fault: str) -> None:
    """F2."""
    found, clerk, _ = ask(fault, "good")
    assert isinstance(found, ReplyError)
    assert [e.outcome for e in requests(clerk)] == ["rejected"]


@pytest.mark.parametrize("fault", CORRECTED)
def test_a_reply_that_cannot_be_used_is_corrected(ask: Ask, fault: str) -> None:
    """F2."""
    found, _clerk, server = ask(fault, "good")
    assert found == Draft(**DRAFT)
    assert len(server.asked) == 2
    assert len(server.asked[1]["messages"]) > len(server.asked[0]["messages"])


def test_a_text_that_was_cut_off_is_no_answer(ask: Ask) -> None:
    """F1: though any text would do."""
    found, _, _ = ask("truncated", output=str)
    assert isinstance(found, ReplyError)


@pytest.mark.parametrize("fault", ["echo_key", "error_with_key", "wrong_key"])
def test_a_key_that_a_server_repeats_is_nowhere(ask: Ask, fault: str) -> None:
    """F3."""
    found, clerk, server = ask(fault)
    assert server.keys[0] == f"Bearer {KEY}"
    everything = repr(clerk.events) + repr(clerk.texts) + repr(found)
    assert KEY not in everything
    cause = found.__cause__
    while cause is not None:
        assert KEY not in str(cause) or "Error" not in type(cause).__module__
        cause = cause.__cause__


def test_tokens_below_zero_are_none(ask: Ask) -> None:
    """F4."""
    _, clerk, _ = ask("lying_usage")
    assert all(e.input_tokens >= 0 and e.output_tokens <= 16_000 for e in requests(clerk))


def test_tokens_that_are_not_reported_are_estimated(ask: Ask) -> None:
    """F4."""
    _, clerk, _ = ask("no_usage")
    assert requests(clerk)[0].input_tokens > 50


def test_a_key_that_is_not_set_is_said_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAULT_KEY", raising=False)
    with FaultServer(["good"]) as server, pytest.raises(ConfigError, match="export FAULT_KEY"):
        check_team(config_of(server))


def test_a_server_that_is_not_there_is_said_before_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAULT_KEY", KEY)
    with FaultServer(["good"]) as server:
        config = config_of(server)
    with pytest.raises(ConfigError, match="start the server at") as caught:
        check_team(config)
    assert KEY not in str(caught.value)


def test_a_refused_key_is_said_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT_KEY", KEY)
    with (
        FaultServer(["wrong_key"]) as server,
        pytest.raises(ConfigError, match="refuses the key in FAULT_KEY") as caught,
    ):
        check_team(config_of(server))
    assert KEY not in str(caught.value)


def test_a_server_that_answers_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT_KEY", KEY)
    with FaultServer(["good"]) as server:
        check_team(config_of(server))
        assert server.asked == []


def test_a_limit_in_dollars_needs_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    unpriced = TeamConfig(
        researcher="llm", models={"m": ModelConfig(provider="openai", model="gpt-of-tomorrow")}
    )
    with pytest.raises(ConfigError, match=r"models\.m\.price"):
        check_team(unpriced, needs_prices=True)
