"""The desk and its seats, with scripted models.

D1  A usable reply is returned, and every request and the end of the conversation are recorded.
D2  A reply that cannot be used is sent back, boundedly; then ReplyError, recorded.
D3  No limit is passed: a request that may pass one is not sent.
D4  A recorded reply answers again; nobody is asked or paid twice.
D5  Who stops gets Stopped, however long a model thinks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from move37.core.errors import OutOfFunds, ReplyError, Stopped
from move37.core.events import CallEnded, CallJudged, ModelCalled
from move37.core.team import Allowance, Effort, ModelConfig, Price, Role, SeatConfig, TeamConfig
from move37.team.models.calls import MemoryClerk, Question
from move37.team.models.desk import Desk
from move37.team.models.purse import Used
from move37.team.models.scripted import Heard, ToolCall, scripted
from move37.team.models.tape import Tape


class Draft(BaseModel):
    """What is asked for."""

    title: str
    size: int


GOOD = Draft(title="gated", size=3)
LOCAL = ModelConfig(
    provider="openai-compatible", model="tiny", base_url="http://127.0.0.1:1/v1", family="toy"
)


def team(**seat: Any) -> TeamConfig:
    return TeamConfig(
        researcher="llm",
        models={"tiny": LOCAL},
        roles={Role.RESEARCHER: SeatConfig(**{"backoff_seconds": 0, **seat})},
    )


def question(**more: Any) -> Question[Draft]:
    return Question(instructions="be brief", prompt="a layer please", output=Draft, **more)


@pytest.fixture
def desks() -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def make(replies: Any, config: TeamConfig | None = None, **more: Any) -> Desk:
        desk = Desk(
            config or team(),
            more.pop("clerk", MemoryClerk()),
            make_model=scripted({"researcher": replies}),
            **more,
        )
        opened.append(desk)
        return desk

    yield make
    for desk in opened:
        desk.close()


def books(desk: Desk) -> MemoryClerk:
    assert isinstance(desk.clerk, MemoryClerk)
    return desk.clerk


def requests(desk: Desk) -> list[ModelCalled]:
    return [e for e in books(desk).events if isinstance(e, ModelCalled)]


def ends(desk: Desk) -> list[CallEnded]:
    return [e for e in books(desk).events if isinstance(e, CallEnded)]


def test_a_reply_comes_back_typed_and_signed(desks: Callable[..., Desk]) -> None:
    """D1."""
    answer = desks([GOOD]).seat(Role.RESEARCHER, index=7).ask(question())
    assert (answer.output, answer.call_id, answer.label, answer.family) == (
        GOOD,
        "7-researcher-0",
        "openai-compatible:tiny",
        "toy",
    )


def test_request_and_reply_are_kept_as_texts(desks: Callable[..., Desk]) -> None:
    """D1."""
    desk = desks([GOOD])
    desk.seat(Role.RESEARCHER, index=7).ask(question())
    (event,) = requests(desk)
    asked = json.loads(desk.clerk.fetch(event.request))
    assert "a layer please" in json.dumps(asked)
    assert b"gated" in desk.clerk.fetch(event.reply)
    assert ends(desk)[0].outcome == "answered"


def test_an_unusable_reply_is_sent_back_with_the_reason(desks: Callable[..., Desk]) -> None:
    """D2."""
    heard: list[Heard] = []

    def second(so_far: Heard) -> Draft:
        heard.append(so_far)
        return GOOD

    desk = desks([{"title": "no size"}, second])
    assert desk.seat(Role.RESEARCHER, index=0).ask(question()).n_requests == 2
    assert "size" in str(heard[0].messages[-1])


def test_replies_that_stay_unusable_end_as_a_counted_error(desks: Callable[..., Desk]) -> None:
    """D2."""
    desk = desks(["only prose"], team(corrections=2))
    with pytest.raises(ReplyError):
        desk.seat(Role.RESEARCHER, index=0).ask(question())
    assert len(requests(desk)) == 3
    assert ends(desk)[0].outcome == "unusable"


def test_a_check_of_the_role_is_told_to_the_model(desks: Callable[..., Desk]) -> None:
    """D2."""

    def check(draft: Draft) -> Draft:
        if draft.size < 3:
            raise ReplyError("size must be at least 3")
        return draft

    desk = desks([Draft(title="small", size=1), GOOD])
    assert desk.seat(Role.RESEARCHER, index=0).ask(question(check=check)).output == GOOD


def test_a_tool_is_run_and_its_result_shown(desks: Callable[..., Desk]) -> None:
    def read_parent(name: str) -> str:
        """Read a parent's code."""
        return f"code of {name}"

    seen: list[str] = []

    def second(heard: Heard) -> Draft:
        seen.append(str(heard.messages[-1]))
        return GOOD

    desk = desks([ToolCall("read_parent", {"name": "gla"}), second])
    desk.seat(Role.RESEARCHER, index=0).ask(question(tools=(read_parent,)))
    assert "code of gla" in seen[0]


def test_a_server_that_recovers_is_asked_again(desks: Callable[..., Desk]) -> None:
    """D2."""
    desk = desks([ConnectionError("down"), TimeoutError(), GOOD])
    desk.seat(Role.RESEARCHER, index=0).ask(question())
    assert [e.outcome for e in requests(desk)] == ["unavailable", "unavailable", "replied"]


def test_a_server_that_stays_down_is_given_up(desks: Callable[..., Desk]) -> None:
    """D2."""
    desk = desks([ConnectionError("down")], team(attempts=3))
    with pytest.raises(ReplyError, match="cannot be reached"):
        desk.seat(Role.RESEARCHER, index=0).ask(question())
    assert len(requests(desk)) == 3


def test_endless_tool_calls_are_cut_off(desks: Callable[..., Desk]) -> None:
    """D2."""

    def look() -> str:
        """Look again."""
        return "nothing"

    desk = desks([ToolCall("look")], team(requests=5))
    with pytest.raises(ReplyError, match="5 requests"):
        desk.seat(Role.RESEARCHER, index=0).ask(question(tools=(look,)))
    assert len(requests(desk)) == 5


def ask_until_refused(desk: Desk) -> int:
    """Ask for one candidate after another, 15 seconds each; return how many were answered."""
    for n in range(100):
        try:
            desk.seat(Role.RESEARCHER, index=n).ask(question())
        except OutOfFunds:
            return n
        desk.purse.pay("researcher", Used(wall_seconds=15.0))
    return 100


@pytest.mark.parametrize(
    "allowance", [Allowance(tokens=20_000), Allowance(dollars=0.2), Allowance(wall_seconds=200)]
)
def test_no_request_passes_a_limit(desks: Callable[..., Desk], allowance: Allowance) -> None:
    """D3: the reply may have 16,000 tokens at 10 dollars a million, and take 180 seconds."""
    paid = LOCAL.model_copy(update={"price": Price(input=1.0, output=10.0)})
    config = TeamConfig(researcher="llm", models={"tiny": paid})
    desk = desks(lambda _: {"title": "x " * 3000, "size": 1}, config, allowance=allowance)
    n = ask_until_refused(desk)
    assert 0 < n < 100
    used = desk.purse.used()
    assert used.tokens <= (allowance.tokens or used.tokens)
    assert used.dollars <= (allowance.dollars or used.dollars)


def test_a_role_has_limits_of_its_own(desks: Callable[..., Desk]) -> None:
    """D3."""
    desk = desks([GOOD], team(limits={"tokens": 100}))
    with pytest.raises(OutOfFunds, match="for researcher"):
        desk.seat(Role.RESEARCHER, index=0).ask(question())


def test_earlier_sessions_are_paid_in(desks: Callable[..., Desk]) -> None:
    """D3."""
    first = desks([GOOD])
    first.seat(Role.RESEARCHER, index=0).ask(question())
    second = desks([GOOD], earlier=books(first).events)
    assert second.purse.used() == first.purse.used()


def test_a_step_taken_again_hears_the_recorded_reply(desks: Callable[..., Desk]) -> None:
    """D4."""
    first = desks(["prose", GOOD])
    first.seat(Role.RESEARCHER, index=4).ask(question())
    second = desks(["never asked"], clerk=first.clerk, earlier=tuple(books(first).events))
    n_before = len(books(first).events)
    assert second.seat(Role.RESEARCHER, index=4).ask(question()).output == GOOD
    assert len(books(first).events) == n_before


def test_a_conversation_cut_in_the_middle_goes_on_with_the_model(
    desks: Callable[..., Desk],
) -> None:
    """D4."""
    first = desks(["prose", GOOD])
    first.seat(Role.RESEARCHER, index=4).ask(question())
    kept = requests(first)[:1]  # killed before the second reply was recorded
    second = desks([Draft(title="second", size=2)], clerk=first.clerk, earlier=kept)
    answer = second.seat(Role.RESEARCHER, index=4).ask(question())
    assert (answer.output.title, answer.n_requests) == ("second", 2)


def test_a_replay_asks_nobody_and_pays_the_same(desks: Callable[..., Desk]) -> None:
    """D4."""
    first = desks([ConnectionError("down"), "prose", GOOD])
    first.seat(Role.RESEARCHER, index=4).ask(question())
    recorded = tuple(books(first).events)
    clerk = MemoryClerk(texts=books(first).texts)
    replay = desks(["never asked"], clerk=clerk, tape=Tape(recorded, is_replay=True))
    assert replay.seat(Role.RESEARCHER, index=4).ask(question()).output == GOOD
    assert tuple(clerk.events) == recorded
    assert replay.purse.used() == first.purse.used()


def test_a_replay_that_asks_something_new_says_where(desks: Callable[..., Desk]) -> None:
    """D4."""
    replay = desks([GOOD], tape=Tape((), is_replay=True))
    with pytest.raises(ReplyError, match="4-researcher-0"):
        replay.seat(Role.RESEARCHER, index=4).ask(question())


def test_a_stop_does_not_wait_for_a_slow_model(desks: Callable[..., Desk]) -> None:
    """D5: the model is still thinking when the caller has given up."""
    asked, let_go = threading.Event(), threading.Event()

    def slow(_: Heard) -> Draft:
        asked.set()
        let_go.wait(60.0)
        return GOOD

    desk = desks(slow, is_stopped=asked.is_set)
    try:
        with pytest.raises(Stopped):
            desk.seat(Role.RESEARCHER, index=0).ask(question())
        assert not let_go.is_set()
    finally:
        let_go.set()


def test_a_closed_desk_says_stopped(desks: Callable[..., Desk]) -> None:
    """D5."""
    desk = desks([GOOD])
    desk.close()
    with pytest.raises(Stopped):
        desk.seat(Role.RESEARCHER, index=0).ask(question())


def test_effort_is_chosen_per_conversation_and_recorded(desks: Callable[..., Desk]) -> None:
    asked: list[Any] = []

    def choose(effort_question: Any) -> Effort:
        asked.append(effort_question)
        return effort_question.range[-1]

    desk = desks([GOOD], team(effort=("low", "high")), choose_effort=choose)
    answer = desk.seat(Role.RESEARCHER, index=3).ask(question())
    assert answer.effort is Effort.HIGH
    assert requests(desk)[0].effort == "high"
    assert asked[0].range == (Effort.LOW, Effort.MEDIUM, Effort.HIGH)


def test_what_became_of_an_answer_is_recorded(desks: Callable[..., Desk]) -> None:
    desk = desks([GOOD])
    answer = desk.seat(Role.RESEARCHER, index=3).ask(question())
    desk.settle(answer.call_id, measure="probes_passed", success=True)
    assert books(desk).events[-1] == CallJudged(
        index=3, call_id="3-researcher-0", role="researcher", measure="probes_passed", success=True
    )


def test_models_take_turns(desks: Callable[..., Desk]) -> None:
    config = TeamConfig(researcher="llm", models={"a": LOCAL, "b": LOCAL})
    desk = desks([GOOD], config)
    assert [desk.seat(Role.RESEARCHER, index=i).name for i in range(3)] == ["a", "b", "a"]
