"""Recorded replies, served again: to a step that is taken up after a kill, and to a replay.

A request is found by its conversation and its turn. The key says whether it is the same request:
a resumed step that asks something else (a newer move37) asks the model; a replay is served the
recorded reply all the same, and the difference is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from move37.core.errors import ReplyError
from move37.core.events import CallEnded, CallJudged, ModelCalled
from move37.team.models.calls import Call

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.models.function import AgentInfo


class Tape:
    """What was said in earlier sessions, or in the campaign that is replayed.

    Args:
        events: of the ledger; the last one of a place counts.
        is_replay: nothing but the tape may answer.
    """

    def __init__(
        self,
        events: Iterable[ModelCalled | CallEnded | CallJudged] = (),
        *,
        is_replay: bool = False,
    ) -> None:
        self.is_replay = is_replay
        self._calls: dict[tuple[str, int], ModelCalled] = {}
        self._ended: set[str] = set()
        self._efforts: dict[str, str] = {}
        self._drifted: list[str] = []
        self._lock = threading.Lock()
        for event in events:
            match event:
                case CallEnded():
                    self._ended.add(event.call_id)
                case ModelCalled():
                    self._calls[event.call_id, event.turn] = event
                    self._efforts[event.call_id] = event.effort

    @property
    def drifted(self) -> tuple[str, ...]:
        """Requests of a replay that were not the recorded ones, as `7-researcher-0 turn 2`."""
        with self._lock:
            return tuple(self._drifted)

    def effort(self, call_id: str) -> str | None:
        """Return the effort that a recorded conversation was held with."""
        return self._efforts.get(call_id)

    def has_ended(self, call_id: str) -> bool:
        """Whether the end of a conversation is recorded."""
        return call_id in self._ended

    def take(self, call_id: str, turn: int, key: str) -> ModelCalled | None:
        """Return what was recorded for a request; None: ask the model.

        Raises:
            ReplyError: a replay asks what was never asked; names the place.
        """
        event = self._calls.get((call_id, turn))
        if event is not None and event.key == key:
            return event
        if not self.is_replay:
            return None
        if event is None:
            raise ReplyError(
                f"the recorded campaign holds no request {turn} of conversation {call_id}: this "
                "replay has taken another way"
            )
        with self._lock:
            self._drifted.append(f"{call_id} turn {turn}")
        return event


def nobody(call: Call) -> Model:
    """Return the model of a replay: it needs no key and no server, and never answers."""
    from pydantic_ai.models.function import FunctionModel

    def refuse(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise ReplyError(f"a replay asks nobody, and was to ask {call.model.label}")

    return FunctionModel(refuse, model_name=call.model.model)
