"""The desk: hands out seats, holds the line to the models, and keeps the books.

One event loop in a thread of its own serves every seat, so that clients and their connections are
used from one place; `Seat.ask` waits in the caller's thread and gives up when somebody stops.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from move37.core.errors import ConfigError, ReplyError, UnknownName
from move37.core.events import CallEnded, CallJudged, ModelCalled
from move37.core.team import Allowance, Effort, ModelConfig, Role, SeatConfig, TeamConfig
from move37.team.models.calls import Answer, Call, Clerk, MakeModel, Output, Question, Tool
from move37.team.models.line import Line
from move37.team.models.providers import Providers
from move37.team.models.purse import Purse
from move37.team.models.tape import Tape, nobody

if TYPE_CHECKING:
    from pydantic_ai import RunContext

    from move37.team.models.attended import Attended, Books

TOOL_CALLS_PER_REQUEST = 4

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class EffortQuestion:
    """What a reasoning effort is chosen from."""

    role: Role
    label: str
    """Provider and model."""
    range: tuple[Effort, ...]
    index: int
    call_id: str


ChooseEffort = Callable[[EffortQuestion], Effort]


def middle_effort(question: EffortQuestion) -> Effort:
    """Return the middle of the range, the lower one of two."""
    return question.range[(len(question.range) - 1) // 2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A model that may play a role."""

    name: str
    """Its name in the team file."""
    model: ModelConfig


class Desk:
    """Everything that the llm members of a team ask their models through. Close it at the end.

    Args:
        config: the team.
        clerk: keeps texts and events.
        allowance: what all roles together may use.
        earlier: `ModelCalled` and `CallEnded` of earlier sessions: they are paid, and answer again
            where a step is taken up.
        tape: of a replay: nothing else answers.
        make_model: gives the model of a conversation; default: the providers'.
        choose_effort: chooses within a role's range, once per conversation.
        choose_model: names the model that plays a role for a candidate; empty: whose turn it is.
        is_barred: whether a model (label) has no turn at an index, as long as another one has.
        is_stopped: asked while waiting.
    """

    def __init__(
        self,
        config: TeamConfig,
        clerk: Clerk,
        *,
        allowance: Allowance | None = None,
        earlier: Iterable[ModelCalled | CallEnded | CallJudged] = (),
        tape: Tape | None = None,
        make_model: MakeModel | None = None,
        choose_effort: ChooseEffort = middle_effort,
        choose_model: Callable[[Role, int], str] = lambda _role, _index: "",
        is_barred: Callable[[str, int], bool] = lambda _label, _index: False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        earlier = tuple(earlier)
        self.config = config
        self.clerk = clerk
        self.tape = tape or Tape(earlier)
        self.purse = Purse(
            allowance or Allowance(),
            {role: seat.limits for role, seat in config.roles.items()},
            (event for event in earlier if isinstance(event, ModelCalled)),
        )
        self._providers = Providers()
        default: MakeModel = nobody if self.tape.is_replay else self._providers
        self.make_model = make_model or default
        self.choose_effort = choose_effort
        self._choose_model = choose_model
        self.is_barred = is_barred
        self.is_stopped = is_stopped
        self._numbers: dict[tuple[int, Role], int] = {}
        self._lock = threading.Lock()
        self._line = Line()

    def choices(self, role: Role) -> tuple[Choice, ...]:
        """Return the models that may play a role, in the order of the team file."""
        return tuple(
            Choice(name=name, model=self.config.models[name])
            for name in self.config.models_of(role)
        )

    def seat(self, role: Role, *, index: int, model: str | None = None) -> Seat:
        """Return a seat for a candidate: of a model by name, else of the chosen one or in turn.

        Raises:
            UnknownName: no model of this name may play the role.
        """
        names = self.config.models_of(role)
        if not names:
            raise ConfigError(f"no model may play {role}: add a section [models.NAME] to the team")
        chosen = model or self._choose_model(role, index)
        free = [n for n in names if not self.is_barred(self.config.models[n].label, index)]
        if not chosen or (not model and free and chosen not in free):
            in_turn = free or names
            chosen = in_turn[max(index, 0) % len(in_turn)]
        if chosen not in names:
            raise UnknownName.of(f"model for {role}", chosen, names)
        return Seat(self, role=role, index=index, name=chosen, model=self.config.models[chosen])

    def settle(self, call_id: str, *, measure: str, success: bool) -> None:
        """Record what became of an answer, once a fact says so."""
        index, role, _number = call_id.rsplit("-", 2)
        self.clerk.record(
            CallJudged(
                index=int(index), call_id=call_id, role=role, measure=measure, success=success
            )
        )

    def next_number(self, index: int, role: Role) -> int:
        """Count the conversations of an index and role."""
        with self._lock:
            number = self._numbers.get((index, role), 0)
            self._numbers[index, role] = number + 1
            return number

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do work on the line and wait for it.

        Raises:
            Stopped: somebody asked to stop; the work was cancelled.
        """
        return self._line.wait_for(work, self.is_stopped)

    def close(self) -> None:
        """Hang up. Whoever still waits gets Stopped."""
        self._line.close(self._providers.aclose())


class Seat:
    """One role, played by one model, for one candidate."""

    def __init__(
        self, desk: Desk, *, role: Role, index: int, name: str, model: ModelConfig
    ) -> None:
        self.role = role
        self.index = index
        self.name = name
        self.model = model
        self._desk = desk
        self._config: SeatConfig = desk.config.seat(role)

    def ask(self, question: Question[Output]) -> Answer[Output]:
        """Hold one conversation and return its usable end.

        Raises:
            ReplyError: there is no usable reply within the bounds; recorded with its reason.
            OutOfFunds: a budget is used up.
            Stopped: somebody asked to stop.
        """
        from move37.team.models.attended import Attended, Books

        call = self._call(question.purpose)
        desk = self._desk
        books = Books(purse=desk.purse, clerk=desk.clerk, tape=desk.tape)
        model = Attended(desk.make_model(call), call, self._config, books)
        try:
            output = desk.wait_for(converse(model, call, self._config, question))
        except Unusable as unusable:
            self._end(call, model, books, unusable.outcome, str(unusable))
            raise
        self._end(call, model, books, "answered", "")
        return Answer(
            output=output,
            call_id=call.id,
            label=call.model.label,
            family=call.model.family,
            effort=call.effort,
            n_requests=model.turn,
        )

    def _call(self, purpose: str) -> Call:
        desk = self._desk
        call = Call(
            index=self.index,
            role=self.role,
            number=desk.next_number(self.index, self.role),
            name=self.name,
            model=self.model,
            effort=self._config.efforts[0],
            purpose=purpose,
        )
        recorded = desk.tape.effort(call.id)
        question = EffortQuestion(
            role=self.role,
            label=self.model.label,
            range=self._config.efforts,
            index=self.index,
            call_id=call.id,
        )
        effort = Effort(recorded) if recorded else desk.choose_effort(question)
        return replace(call, effort=effort)

    def _end(self, call: Call, model: Attended, books: Books, outcome: str, reason: str) -> None:
        if books.tape.has_ended(call.id) and not books.tape.is_replay:
            return
        self._desk.clerk.record(
            CallEnded(
                index=call.index,
                call_id=call.id,
                role=call.role,
                model=call.model.label,
                effort=call.effort,
                outcome=outcome,
                reason=reason,
                n_requests=model.turn,
            )
        )


class Unusable(ReplyError):
    """A conversation without a usable end; `outcome` is that of `CallEnded`."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


async def converse(
    model: Attended, call: Call, seat: SeatConfig, question: Question[Output]
) -> Output:
    """Hold a conversation: tools are run, unusable replies are sent back, all of it bounded.

    Raises:
        Unusable: no usable reply.
    """
    from pydantic_ai import Agent, PromptedOutput, exceptions
    from pydantic_ai.usage import UsageLimits

    from move37.team.models.attended import Failure
    from move37.team.models.keys import hide_keys
    from move37.team.models.providers import settings_for

    output: Any = question.output
    if call.model.output == "prompted" and output is not str:
        output = PromptedOutput(output)
    agent: Agent[object, Any] = Agent(
        model,
        output_type=output,
        instructions=question.instructions,
        tools=[_guarded(tool) for tool in question.tools],
        model_settings=settings_for(call.model, seat, call.effort, model.wrapped),
        retries=seat.corrections,
    )
    agent.output_validator(_whole)
    if question.check is not None:
        agent.output_validator(_guarded(question.check))
    limits = UsageLimits(
        request_limit=seat.requests, tool_calls_limit=TOOL_CALLS_PER_REQUEST * seat.requests
    )
    try:
        result = await agent.run(question.prompt, usage_limits=limits)
    except Failure as failure:
        raise Unusable(failure.outcome, str(failure)) from failure
    except exceptions.OutputTokenLimitExceeded as error:
        raise Unusable("truncated", f"cut off at {seat.reply_tokens} tokens") from error
    except exceptions.UsageLimitExceeded as error:
        reason = f"no answer within {seat.requests} requests"
        raise Unusable("too_long", reason) from error
    except exceptions.AgentRunError as error:
        reason = hide_keys(" ".join(str(error).split()))[:400]
        raise Unusable("unusable", f"no usable reply: {reason}") from error
    return cast("Output", result.output)


def _whole(context: RunContext[object], output: Any) -> Any:
    """Send back a text that was cut off: half a layer may parse."""
    from pydantic_ai import ModelRetry
    from pydantic_ai.messages import ModelResponse

    last = context.messages[-1]
    if isinstance(last, ModelResponse) and last.finish_reason == "length":
        raise ModelRetry("your reply was cut off at the length limit; give it again, shorter")
    return output


def _guarded(function: Tool) -> Tool:
    """Turn a ReplyError of a tool or check into a word to the model."""
    from pydantic_ai import ModelRetry

    @functools.wraps(function)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ReplyError as error:
            raise ModelRetry(str(error)) from error

    told.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return told
