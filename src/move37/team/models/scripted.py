"""Models whose replies are written by us: for tests, and for looking at a team without a key.

    make_model = scripted({"researcher": [Draft(...), "prose instead of code", TimeoutError()]})
    Desk(..., make_model=make_model)

A reply is a pydantic record or dict (sent the way the question asks for its output), a text, a
`ToolCall`, an exception (raised: a broken server), or a function of the conversation that returns
one of these. Replies are taken in order; the last one is repeated.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from move37.team.models.calls import Call, MakeModel

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.models.function import AgentInfo


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A reply that calls a tool."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a reply may depend on: the conversation so far."""

    call: Call
    messages: list[ModelMessage]

    @property
    def prompt(self) -> str:
        """The first thing that was asked."""
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        first = self.messages[0]
        parts = first.parts if isinstance(first, ModelRequest) else []
        return "\n".join(str(p.content) for p in parts if isinstance(p, UserPromptPart))

    @property
    def n_replies(self) -> int:
        """How often the model has replied in this conversation."""
        from pydantic_ai.messages import ModelResponse

        return sum(isinstance(m, ModelResponse) for m in self.messages)


Reply = str | dict[str, Any] | BaseModel | ToolCall | BaseException
Script = Sequence[Reply | Callable[[Heard], Reply]] | Callable[[Heard], Reply]


def scripted(scripts: Mapping[str, Script]) -> MakeModel:
    """Return a maker of models that follow a script, by role.

    A list is shared by all conversations of the role; a function is asked at every request.
    """
    places = dict.fromkeys(scripts, 0)
    lock = threading.Lock()

    def next_reply(heard: Heard) -> Reply:
        script = scripts[heard.call.role]
        if callable(script):
            return script(heard)
        with lock:
            place = min(places[heard.call.role], len(script) - 1)
            places[heard.call.role] += 1
        reply = script[place]
        return reply(heard) if callable(reply) else reply

    def make(call: Call) -> Model:
        from pydantic_ai.models.function import FunctionModel

        def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            return _response(next_reply(Heard(call, messages)), info)

        return FunctionModel(respond, model_name=call.model.model)

    return make


def _response(reply: Reply, info: AgentInfo) -> ModelResponse:
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

    match reply:
        case BaseException():
            raise reply
        case ToolCall():
            return ModelResponse(parts=[ToolCallPart(reply.name, reply.arguments)])
        case str():
            return ModelResponse(parts=[TextPart(reply)])
    fields = reply.model_dump(mode="json") if isinstance(reply, BaseModel) else reply
    if info.output_tools:
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, fields)])
    return ModelResponse(parts=[TextPart(json.dumps(fields))])
