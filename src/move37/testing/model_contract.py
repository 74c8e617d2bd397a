"""What every source of models must do: providers, scripted models, replays. Subclass and be done.

    class TestMine(ModelContract):
        def make(self, replies):
            return my_maker(replies)        # a `MakeModel` that gives these texts, in order

Invariants:
C1  The text that the model gives arrives whole, and its use is counted.
C2  A reply that is not what was asked for is corrected within one conversation.
C3  The model hears everything that was said before.
C4  A conversation can be replayed from its record, without the model.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence

from move37.core.errors import ReplyError
from move37.core.events import CallEnded, ModelCalled
from move37.core.team import ModelConfig, Role, SeatConfig, TeamConfig
from move37.team.models.calls import MakeModel, MemoryClerk, Question
from move37.team.models.desk import Desk
from move37.team.models.tape import Tape

MODEL = ModelConfig(provider="openai-compatible", model="m", base_url="http://127.0.0.1:9/v1")
TEXT = 'class Mixer: ...\n"quotes", \\n, ünïcode, <tags>, {braces}'


class ModelContract(ABC):
    """The suite."""

    @abstractmethod
    def make(self, replies: Sequence[str]) -> MakeModel | None:
        """Return a maker of models that give these texts in order, the last one repeated.

        None: the desk's own providers, asked as `model` says.
        """

    def desk(self, replies: Sequence[str], *, tape: Tape | None = None) -> Desk:
        """Return a desk at which the model sits."""
        config = TeamConfig(
            researcher="llm",
            models={"m": self.model()},
            roles={Role.RESEARCHER: SeatConfig(backoff_seconds=0.0)},
        )
        make = None if tape else self.make(replies)
        return Desk(config, MemoryClerk(), make_model=make, tape=tape)

    def model(self) -> ModelConfig:
        """Return the model's entry in a team file."""
        return MODEL

    def test_a_text_arrives_whole_and_is_counted(self) -> None:
        """C1."""
        desk = self.desk([TEXT])
        try:
            answer = desk.seat(Role.RESEARCHER, index=3).ask(_question())
            (event,) = _requests(desk)
            assert answer.output == TEXT
            assert min(event.input_tokens, event.output_tokens) > 0
            assert (event.index, event.outcome) == (3, "replied")
        finally:
            desk.close()

    def test_an_unusable_reply_is_corrected_in_the_same_conversation(self) -> None:
        """C2 and C3: the second request holds the first reply and the complaint."""
        desk = self.desk(["wrong", "right"])
        try:
            answer = desk.seat(Role.RESEARCHER, index=0).ask(_question(wanted="right"))
            assert (answer.output, answer.n_requests) == ("right", 2)
            second = _requests(desk)[1]
            said = json.dumps(json.loads(desk.clerk.fetch(second.request)))
            assert "wrong" in said
            assert "say right" in said
        finally:
            desk.close()

    def test_a_conversation_is_replayed_from_its_record(self) -> None:
        """C4."""
        desk = self.desk(["wrong", "right"])
        try:
            desk.seat(Role.RESEARCHER, index=0).ask(_question(wanted="right"))
            clerk = desk.clerk
            assert isinstance(clerk, MemoryClerk)
            events = [e for e in clerk.events if isinstance(e, ModelCalled | CallEnded)]
        finally:
            desk.close()
        replay = self.desk([], tape=Tape(events, is_replay=True))
        replay.clerk = clerk
        try:
            answer = replay.seat(Role.RESEARCHER, index=0).ask(_question(wanted="right"))
            assert (answer.output, replay.tape.drifted) == ("right", ())
        finally:
            replay.close()


def _question(*, wanted: str = "") -> Question[str]:
    def check(text: str) -> str:
        if wanted and text != wanted:
            raise ReplyError(f"say {wanted}")
        return text

    return Question(instructions="be brief", prompt="say something", output=str, check=check)


def _requests(desk: Desk) -> list[ModelCalled]:
    clerk = desk.clerk
    assert isinstance(clerk, MemoryClerk)
    return [event for event in clerk.events if isinstance(event, ModelCalled)]
