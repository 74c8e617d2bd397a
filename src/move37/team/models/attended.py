"""A model with somebody standing by: each try is reserved, timed, paid and recorded.

Wraps any pydantic-ai model for one conversation. What the model's client raises becomes a
`Failure`; nothing of it is fatal to a campaign.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestTimeout,
)
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from move37.core.errors import Move37Error, ReplyError
from move37.core.events import ModelCalled
from move37.core.team import SeatConfig
from move37.team.models.calls import (
    Call,
    Clerk,
    read_reply,
    reply_text,
    request_key,
    request_text,
)
from move37.team.models.keys import hide_keys
from move37.team.models.prices import FREE, cost, price_of
from move37.team.models.purse import Purse, Used
from move37.team.models.tape import Tape

BYTES_PER_TOKEN = 3  # assumed, on the safe side: English and code have about 4
LONGEST_BACKOFF_SECONDS = 60.0
REASON_CHARACTERS = 400
PASSES = frozenset({"unavailable", "limited", "garbled"})
"""Failures that a second try may not meet."""
BUSY_STATUS = frozenset({408, 409, 425, 429})
SERVER_STATUS = 500


class Failure(ReplyError):
    """A model did not reply. `outcome` is that of `ModelCalled`."""

    def __init__(self, outcome: str, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """Where a request is paid, recorded and looked up."""

    purse: Purse
    clerk: Clerk
    tape: Tape


@dataclass(init=False)
class Attended(WrapperModel):
    """One conversation's model."""

    def __init__(self, wrapped: Model, call: Call, seat: SeatConfig, books: Books) -> None:
        super().__init__(wrapped)
        self._call = call
        self._seat = seat
        self._books = books
        self.turn = 0
        """Requests so far, tries counted."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Return the model's reply, after as many tries as the seat allows.

        Raises:
            Failure: no reply.
            OutOfFunds: a budget does not allow the request.
        """
        text = hide_keys(request_text(messages, model_request_parameters))
        key = request_key(text)
        for attempt in range(self._seat.attempts):
            turn, self.turn = self.turn, self.turn + 1
            recorded = self._books.tape.take(self._call.id, turn, key)
            try:
                if recorded is not None:
                    return self._again(recorded)
                return await self._try(
                    turn, (text, key), (messages, model_settings, model_request_parameters)
                )
            except Failure as failure:
                if failure.outcome not in PASSES or attempt + 1 == self._seat.attempts:
                    raise
                if recorded is None:
                    await asyncio.sleep(self._backoff(attempt, failure))
        raise AssertionError("a seat allows at least one attempt")

    def _again(self, recorded: ModelCalled) -> ModelResponse:
        """Return a recorded reply, or fail as it failed; a replay records and pays it anew."""
        books = self._books
        if books.tape.is_replay:
            books.purse.reserve(recorded.role, Used())
            books.purse.pay(recorded.role, Used.of(recorded))
            books.clerk.record(recorded)
        if not recorded.reply:
            raise Failure(recorded.outcome, recorded.reason)
        return read_reply(books.clerk.fetch(recorded.reply).decode())

    async def _try(
        self, turn: int, said: tuple[str, str], request: tuple[Any, Any, Any]
    ) -> ModelResponse:
        most = self._most(said[0])
        self._books.purse.reserve(self._call.role, most)
        started = time.monotonic()
        used, reply, failure, response = Used(), "", None, None
        try:
            try:
                async with asyncio.timeout(self._seat.request_seconds):
                    response = await self.wrapped.request(*request)
                reply = hide_keys(reply_text(response))
                response = read_reply(reply)  # what a replay will see, and nothing else
            except (Move37Error, asyncio.CancelledError):
                raise
            except TROUBLE as error:
                failure = failure_of(error, self._seat)
            seconds = time.monotonic() - started
            event = self._event(turn, said, reply, response, failure, seconds)
            used = Used.of(event)
            self._books.clerk.record(event)
        finally:
            self._books.purse.settle(self._call.role, most, used)
        if failure is not None or response is None:
            raise failure or Failure("garbled", "no response")
        return response

    def _event(
        self,
        turn: int,
        said: tuple[str, str],
        reply: str,
        response: ModelResponse | None,
        failure: Failure | None,
        seconds: float,
    ) -> ModelCalled:
        call, books = self._call, self._books
        tokens = tokens_of(
            response,
            n_asked=len(said[0].encode("utf-8", "replace")),
            n_replied=len(reply.encode("utf-8", "replace")),
            most=self._seat.reply_tokens,
        )
        price = price_of(call.model)
        return ModelCalled(
            index=call.index,
            call_id=call.id,
            turn=turn,
            role=call.role,
            model=call.model.label,
            served_by=hide_keys((response.model_name or "")[:200]) if response else "",
            family=call.model.family,
            effort=call.effort,
            outcome=failure.outcome if failure else outcome_of(response),
            reason=str(failure)[:REASON_CHARACTERS] if failure else "",
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            reasoning_tokens=tokens.reasoning,
            dollars=cost(
                price or FREE,
                input_tokens=tokens.input,
                cached_tokens=tokens.cached,
                output_tokens=tokens.output,
            ),
            is_priced=price is not None,
            seconds=seconds,
            key=said[1],
            request=books.clerk.keep(said[0].encode("utf-8", "replace")),
            reply=books.clerk.keep(reply.encode("utf-8", "replace")) if reply else "",
        )

    def _most(self, text: str) -> Used:
        """Return the most that one try can use."""
        n_input = len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + 1
        n_output = self._seat.reply_tokens
        price = price_of(self._call.model) or FREE
        return Used(
            n_requests=1,
            tokens=n_input + n_output,
            dollars=cost(price, input_tokens=n_input, output_tokens=n_output),
            wall_seconds=self._seat.request_seconds,
        )

    def _backoff(self, attempt: int, failure: Failure) -> float:
        """Return seconds to wait: doubling, or what the server asks for, at most a minute."""
        doubled = self._seat.backoff_seconds * 2**attempt
        return min(max(doubled, failure.wait_seconds), LONGEST_BACKOFF_SECONDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """What one request read and wrote."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0


def tokens_of(response: ModelResponse | None, *, n_asked: int, n_replied: int, most: int) -> Tokens:
    """Return the tokens of one request: the server's count, or an estimate where it gives none.

    A failed request counts nothing: providers do not bill it. No text has more tokens than bytes,
    and what is not shown of a reply is at most what was allowed.
    """
    if response is None:
        return Tokens()
    usage = response.usage
    n_input = min(max(0, usage.input_tokens), n_asked)
    n_output = min(max(0, usage.output_tokens), max(n_replied, most))
    if n_input + n_output == 0:
        n_input, n_output = n_asked // BYTES_PER_TOKEN, n_replied // BYTES_PER_TOKEN
    return Tokens(
        input=n_input,
        cached=min(n_input, max(0, usage.cache_read_tokens)),
        output=n_output,
        reasoning=min(n_output, max(0, usage.output_reasoning_tokens)),
    )


def outcome_of(response: ModelResponse | None) -> str:
    """Return how a reply ended."""
    match response.finish_reason if response else None:
        case "length":
            return "truncated"
        case "content_filter":
            return "refused"
    return "replied"


TROUBLE = (
    AgentRunError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    RecursionError,
    AssertionError,
    Warning,
)
"""What clients raise on what servers send: their own errors, and Python's on bodies of another
shape. A conversation survives all of it."""


def failure_of(error: BaseException, seat: SeatConfig) -> Failure:
    """Say what went wrong at the server, in our words; its own are cut short and hold no key."""
    words = hide_keys(" ".join(str(error).split()))[:REASON_CHARACTERS]
    wait = getattr(error, "retry_after", None) or 0.0
    match error:
        case ModelRequestTimeout() | TimeoutError():
            return Failure("unavailable", f"no reply within {seat.request_seconds:g} s")
        case ContentFilterError():
            return Failure("refused", f"refused by the provider's filter: {words}")
        case ModelQuotaExceededError():
            return Failure("rejected", f"the provider says the quota is used up: {words}")
        case ModelRateLimitError():
            return Failure("limited", f"too many requests: {words}", wait_seconds=wait)
        case ModelHTTPError():
            return _http_failure(error.status_code, words, wait)
        case ModelConnectionError() | OSError():
            return Failure("unavailable", f"the server cannot be reached: {words}")
        case ModelAPIError():
            return Failure("unavailable", f"the provider failed: {words}")
    return Failure("garbled", f"the reply does not read: {type(error).__name__}: {words}")


def _http_failure(status: int, words: str, wait_seconds: float) -> Failure:
    if status in BUSY_STATUS:
        return Failure("limited", f"the server is busy: {words}", wait_seconds=wait_seconds)
    if status >= SERVER_STATUS:
        return Failure("unavailable", f"the server failed: {words}", wait_seconds=wait_seconds)
    return Failure("rejected", f"the server refuses the request: {words}")
