"""Who is in the team: roles, the models that may play them, and what they may use.

A team is part of the campaign's config, and so of the ledger. Keys of providers are not: a model
names the environment variable that holds its key, never the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Role(StrEnum):
    """The four members of a team."""

    RESEARCHER = "researcher"
    ENGINEER = "engineer"
    ANALYST = "analyst"
    JUDGE = "judge"


class Effort(StrEnum):
    """How hard a model is asked to think; each provider has its own form of it."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MAX = "max"


EFFORTS = tuple(Effort)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Price(_Section):
    """Dollars per million tokens."""

    input: Annotated[float, Field(ge=0)]
    """Tokens that are read."""
    output: Annotated[float, Field(ge=0)]
    """Reasoning tokens are output tokens."""
    cached: Annotated[float, Field(ge=0)] | None = None
    """Input read from the provider's cache; None: as other input."""


class ModelConfig(_Section):
    """One model that can play a role."""

    provider: Literal["anthropic", "openai", "google", "openai-compatible"]
    """Who serves it; `openai-compatible` is a server of your own."""
    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The provider's name for it."""
    base_url: str = ""
    """Where the server is; needed for openai-compatible (vLLM, Ollama, llama.cpp): usually ends in
    /v1."""
    key_env: str = ""
    """Environment variable that holds the key; empty: the provider's usual one."""
    family: str = ""
    """Base model that it descends from, where the name does not say it: `llama-3`, `claude`."""
    thinks: bool | None = None
    """Whether it takes a reasoning effort; None: as the provider's profile says."""
    output: Literal["tool", "prompted"] | None = None
    """How a structured reply is asked for: as a tool call, or as JSON in the text (for servers
    without tools; None: tools)."""
    price: Price | None = None
    """None: from team/models/prices.toml; a server on this machine costs nothing."""

    @field_validator("key_env", mode="before")
    @classmethod
    def _a_variable(cls, value: object) -> object:
        if isinstance(value, str) and value and not VARIABLE.fullmatch(value):
            # the value is not repeated: it may be a key that was pasted here
            raise ValueError(
                "must be the name of an environment variable such as VLLM_API_KEY, never a key"
            )
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.provider == "openai-compatible" and not self.base_url:
            raise ValueError(
                "an openai-compatible server needs base_url, such as http://127.0.0.1:8000/v1"
            )
        if not self.base_url:
            return self
        try:
            url = urlsplit(self.base_url)
            is_plain = url.username is None and url.password is None and not url.query
        except ValueError:
            raise ValueError("base_url is no URL") from None
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("base_url must begin with http:// or https:// and name a host")
        if not is_plain:
            raise ValueError("base_url must hold no user, password or query: keys go in key_env")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return bool(self.base_url) and urlsplit(self.base_url).hostname in LOOPBACK

    @property
    def label(self) -> str:
        """Provider and model in one word: what candidates are signed with."""
        return f"{self.provider}:{self.model}"


class Allowance(_Section):
    """What language models may use; a limit that is reached ends the search."""

    tokens: PositiveInt | None = None
    """Input, output and reasoning together."""
    dollars: PositiveFloat | None = None
    """At the prices of the model."""
    wall_seconds: PositiveFloat | None = None
    """Time spent waiting for replies, summed over requests."""

    def changed_by(self, other: Allowance) -> Allowance:
        """Return the other's limits; one that it leaves out stays as it is here."""
        said = other.model_dump(exclude_none=True)
        return self.model_copy(update=said)


class SeatConfig(_Section):
    """How one role is played by language models."""

    models: tuple[str, ...] = ()
    """Names in `models`, taken in turn; empty: all of them."""
    effort: tuple[Effort, ...] = (Effort.LOW, Effort.HIGH)
    """The range: one level, or the lowest and the highest that may be asked for."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """None: the provider's default. Not sent to a model while it reasons."""
    limits: Allowance = Allowance()
    """Of this role over the whole campaign."""
    reply_tokens: PositiveInt = 16_000
    """Longest reply, reasoning included."""
    requests: PositiveInt = 12
    """Requests in one conversation: tool calls and corrections included."""
    corrections: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a reply that cannot be used is sent back."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 4
    """Tries of one request at a server that is busy, broken or unreachable."""
    request_seconds: PositiveFloat = 180.0
    """Wall clock of one try."""
    backoff_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Wait before the second try; doubles each time, at most a minute; a server's Retry-After
    counts when it asks for more, up to the same minute."""

    @field_validator("effort", mode="before")
    @classmethod
    def _a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _a_range(self) -> Self:
        if len(self.effort) not in {1, 2}:
            raise ValueError("effort must be one level or two: the lowest and the highest")
        if EFFORTS.index(self.effort[0]) > EFFORTS.index(self.effort[-1]):
            raise ValueError(f"effort must rise, got {' to '.join(self.effort)}")
        return self

    @property
    def efforts(self) -> tuple[Effort, ...]:
        """All levels of the range."""
        first, last = EFFORTS.index(self.effort[0]), EFFORTS.index(self.effort[-1])
        return EFFORTS[first : last + 1]


class Line(_Section):
    """One line of base models: what it descends from. Rows of the graph of families."""

    name: str
    """Of the line."""
    match: tuple[str, ...] = ()
    """Patterns of model names, in small letters."""
    vendor: str
    """Who made it."""
    root_known: bool = True
    """False: it may share its initialisation with any line of the vendor."""
    weights_from: tuple[str, ...] = ()
    """Lines whose weights it began with."""
    behaviour_from: tuple[str, ...] = ()
    """Lines whose output it was trained on."""
    evidence: Literal["documented", "measured", "assumed", "declared"]
    """How that is known."""
    source: str = Field(min_length=1)
    """Where it is written."""
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Of the source: YYYY-MM-DD."""


class TeamConfig(_Section):
    """Who proposes, repairs, explains and judges."""

    researcher: str = "symbolic"
    """Who proposes: `symbolic` or `llm`, as for the other roles. For studies also `random` (edits
    with equal odds) and `disguise` (the baseline over and over)."""
    engineer: str = "symbolic"
    """Who repairs what fails."""
    analyst: str = "symbolic"
    """Who writes the lessons."""
    judge: str = "symbolic"
    """Who grades a layer before its verdict."""
    control_share: Annotated[float, Field(ge=0, le=0.9)] = 0.25
    """Part of the candidates that the symbolic team makes, beside a team with language models: what
    such a team has to beat. Without language models it means nothing."""
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    """By a name of your choice."""
    roles: dict[Role, SeatConfig] = Field(default_factory=dict)
    """By role: `researcher`, `engineer`, `analyst`, `judge`."""
    lines: tuple[Line, ...] = ()
    """Rows of your own for the graph of families, as [[lines]]; see docs/guards.md."""
    on_alarm: Literal["report", "quarantine"] = "report"
    """What a canary's alarm does: it is reported, or its family is quarantined at once."""
    watched_words: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    """Words whose use canaries watch beside their own: what you planted, or fear."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for role, seat in self.roles.items():
            if unknown := sorted(set(seat.models) - set(self.models)):
                raise ValueError(
                    f"roles.{role}.models names {', '.join(unknown)}, which no [models.NAME] "
                    f"describes; known: {', '.join(sorted(self.models)) or 'none'}"
                )
        if self.llm_roles and not self.models:
            raise ValueError(
                f"{', '.join(self.llm_roles)} = 'llm' needs a model: add a section [models.NAME]"
            )
        return self

    @property
    def llm_roles(self) -> tuple[Role, ...]:
        """Return the roles that language models play."""
        return tuple(role for role in Role if getattr(self, role) == "llm")

    def seat(self, role: Role) -> SeatConfig:
        """Return how a role is played."""
        return self.roles.get(role, SeatConfig())

    def with_limits(self, limits: Mapping[Role, Allowance]) -> TeamConfig:
        """Return this team with other limits of some roles."""
        seats = {role: self.seat(role).model_copy(update={"limits": of})
                 for role, of in limits.items()}  # fmt: skip
        return self.model_copy(update={"roles": self.roles | seats})

    def models_of(self, role: Role) -> tuple[str, ...]:
        """Return the names of the models that play a role in turn."""
        return self.seat(role).models or tuple(sorted(self.models))
