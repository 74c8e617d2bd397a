"""What is asked of a model and what is answered, and their form on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from move37.core.events import CallEnded, CallJudged, ModelCalled
from move37.core.team import Effort, ModelConfig, Role

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

Output = TypeVar("Output")
Tool = Callable[..., Any]

PASSING = frozenset(
    {
        "timestamp",
        "run_id",
        "conversation_id",
        "metadata",
        "usage",
        "provider_details",
        "provider_response_id",
        "provider_url",
        "provider_name",
        "model_name",
        "tool_call_id",
        "model_id",
        "canonical_system",
        "history_digest",
        "failed_attempts",
    }
)
"""Fields of a message that say when and by whom, not what."""
LIBRARY_PART = "system-prompt"
"""Parts that the library adds for some providers; what we say is in `instructions`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question(Generic[Output]):
    """What a role asks, for one conversation."""

    instructions: str
    """How to behave; ours."""
    prompt: str
    """The material and the task."""
    output: type[Output]
    """A pydantic model or dataclass that the reply must fit, or `str`."""
    tools: tuple[Tool, ...] = ()
    """Functions the model may call; names, annotations and docstrings are shown to it."""
    check: Callable[[Output], Output] | None = None
    """Returns the output, changed or not; raises ReplyError to have the model correct it."""
    purpose: str = ""
    """For people who read the ledger: `propose`, `repair`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer(Generic[Output]):
    """A usable reply and where it came from."""

    output: Output
    call_id: str
    """Names the conversation in the ledger."""
    label: str
    """Provider and model: `anthropic:claude-sonnet-5`; sign candidates with it."""
    family: str
    effort: Effort
    n_requests: int
    """Tries, tool calls and corrections included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One conversation: who asks whom, for which candidate, how hard to think."""

    index: int
    role: Role
    number: int
    """Its place among the conversations of this index and role, from 0."""
    name: str
    """The model's name in the team file."""
    model: ModelConfig
    effort: Effort
    purpose: str = ""

    @property
    def id(self) -> str:
        """The same in every session and in a replay."""
        return call_id(self.index, self.role, self.number)


def call_id(index: int, role: Role, number: int) -> str:
    """Return the name of a conversation."""
    return f"{index}-{role}-{number}"


MakeModel = Callable[[Call], "Model"]
"""Gives the model that a conversation is held with."""


class Clerk(Protocol):
    """Whoever keeps the books: the campaign hands one in."""

    def keep(self, content: bytes) -> str:
        """Keep a text as an artefact; return its digest."""
        ...

    def fetch(self, digest: str) -> bytes:
        """Return a kept text."""
        ...

    def record(self, event: ModelCalled | CallEnded | CallJudged) -> None:
        """Write an event into the ledger."""
        ...


@dataclass(slots=True)
class MemoryClerk:
    """Keeps everything in memory: for tests, and for questions outside a campaign."""

    events: list[ModelCalled | CallEnded | CallJudged] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)

    def keep(self, content: bytes) -> str:
        """Keep a text; return its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.texts[digest] = content
        return digest

    def fetch(self, digest: str) -> bytes:
        """Return a kept text."""
        return self.texts[digest]

    def record(self, event: ModelCalled | CallEnded | CallJudged) -> None:
        """Append the event."""
        self.events.append(event)


def request_text(messages: list[ModelMessage], parameters: ModelRequestParameters) -> str:
    """Spell a request as JSON: all messages so far, and the tools on offer."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    tools = [
        {"name": t.name, "description": t.description, "parameters": t.parameters_json_schema}
        for t in (*parameters.function_tools, *parameters.output_tools)
    ]
    said = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return json.dumps({"messages": said, "tools": tools}, ensure_ascii=False, sort_keys=True)


def request_key(request: str) -> str:
    """Return the digest of what a request says; times and ids do not count."""
    canonical = json.dumps(_lasting(json.loads(request)), sort_keys=True)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def reply_text(response: ModelResponse) -> str:
    """Spell a reply as JSON."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    return ModelMessagesTypeAdapter.dump_json([response]).decode("utf-8", "replace")


def read_reply(text: str) -> ModelResponse:
    """Read a reply back.

    Raises:
        ValueError: not a spelled reply.
    """
    from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse

    (response,) = ModelMessagesTypeAdapter.validate_json(text)
    if not isinstance(response, ModelResponse):
        raise ValueError("a request was kept where a reply should be")  # noqa: TRY004 - bad data
    return response


def _lasting(value: object) -> object:
    match value:
        case dict():
            return {k: _lasting(v) for k, v in value.items() if k not in PASSING}
        case list():
            return [_lasting(item) for item in value if not _is_library(item)]
    return value


def _is_library(part: object) -> bool:
    return isinstance(part, dict) and part.get("part_kind") == LIBRARY_PART
