"""A pydantic-ai model for each entry of a team file. The one file that knows vendors' clients."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from move37.core.errors import ConfigError
from move37.core.team import Effort, ModelConfig, SeatConfig
from move37.team.models.calls import Call
from move37.team.models.keys import key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2
    from pydantic_ai.models import Model
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.settings import ModelSettings

MOST_REPLY_BYTES = 8 * 2**20
"""Assumed: 16,000 tokens are about 64 kB, with their JSON perhaps 200 kB. More is an endless reply.
"""
CONNECT_SECONDS = 10.0
MISSING = "language models need an extra that is not installed: pip install 'move37[llm]' ({error})"


class Providers:
    """Makes the models of a team, each once, with a client of its own. Close them at the end."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._clients: list[httpx2.AsyncClient] = []
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Model:
        """Return the model of a conversation.

        Raises:
            ConfigError: the key or a library is missing.
        """
        with self._lock:
            if call.name not in self._models:
                self._models[call.name] = self._made(call.model)
            return self._models[call.name]

    async def aclose(self) -> None:
        """Close every connection."""
        with self._lock:
            clients, self._clients = self._clients, []
            self._models = {}
        for client in clients:
            await client.aclose()

    def _made(self, config: ModelConfig) -> Model:
        key = key_of(config)
        try:
            client = bounded_client()
            self._clients.append(client)
            return _MAKERS[config.provider](config, key, client)
        except ImportError as error:
            raise ConfigError(MISSING.format(error=error)) from error


def settings_for(
    config: ModelConfig, seat: SeatConfig, effort: Effort, model: Model
) -> ModelSettings:
    """Return what is sent with each request: effort, temperature and bounds."""
    settings: ModelSettings = {
        "max_tokens": seat.reply_tokens,
        "timeout": seat.request_seconds,
        "max_retries": 0,  # tries are counted, paid and recorded here, not inside a client
    }
    if thinks(config, model):
        settings["thinking"] = False if effort is Effort.NONE else effort.value
    reasons = thinks(config, model) and effort is not Effort.NONE
    if seat.temperature is not None and not reasons:
        settings["temperature"] = seat.temperature
    return settings


def thinks(config: ModelConfig, model: Model) -> bool:
    """Whether a model takes a reasoning effort: the team file counts before the profile."""
    if config.thinks is not None:
        return config.thinks
    return bool(model.profile.get("supports_thinking", False))


def bounded_client() -> httpx2.AsyncClient:
    """Return an HTTP client that gives up on a reply longer than MOST_REPLY_BYTES."""
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            n_bytes = 0
            async for chunk in self._stream:
                n_bytes += len(chunk)
                if n_bytes > MOST_REPLY_BYTES:
                    raise httpx2.ReadError(f"the reply is longer than {MOST_REPLY_BYTES} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(600.0, connect=CONNECT_SECONDS),
        event_hooks={"response": [bound]},
    )


def _anthropic(config: ModelConfig, key: str, client: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    url = config.base_url or None
    return AnthropicModel(
        config.model, provider=AnthropicProvider(api_key=key, base_url=url, http_client=client)
    )


def _openai(config: ModelConfig, key: str, client: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    url: Any = config.base_url or None
    return OpenAIResponsesModel(
        config.model, provider=OpenAIProvider(api_key=key, base_url=url, http_client=client)
    )


def _google(config: ModelConfig, key: str, client: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    url = config.base_url or None
    return GoogleModel(
        config.model, provider=GoogleProvider(api_key=key, base_url=url, http_client=client)
    )


def _compatible(config: ModelConfig, key: str, client: httpx2.AsyncClient) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    provider = OpenAICompatibleProvider(
        "openai-compatible", base_url=config.base_url, api_key=key, http_client=client
    )
    # the library sends no effort to a model that it does not know to reason
    profile: ModelProfile | None = (
        None if config.thinks is None else {"supports_thinking": config.thinks}
    )
    return OpenAIChatModel(config.model, provider=provider, profile=profile)


_MAKERS = {
    "anthropic": _anthropic,
    "openai": _openai,
    "google": _google,
    "openai-compatible": _compatible,
}
