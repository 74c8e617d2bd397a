"""What is checked before a campaign with language models starts: library, keys, servers, prices."""

from __future__ import annotations

import http.client
import importlib.util
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from move37.core.errors import ConfigError
from move37.core.team import ModelConfig, TeamConfig
from move37.team.models.keys import NO_KEY, hide_keys, key_of, variables_of
from move37.team.models.prices import price_of

SERVERS = {
    "anthropic": "https://api.anthropic.com/v1",
    "openai": "https://api.openai.com/v1",
    "google": "https://generativelanguage.googleapis.com/v1beta",
}
LIBRARIES = {
    "anthropic": "anthropic",
    "openai": "openai",
    "openai-compatible": "openai",
    "google": "google.genai",
}
REACH_SECONDS = 10.0
REFUSED = frozenset({401, 403})


def check_team(config: TeamConfig, *, needs_prices: bool = False) -> None:
    """Refuse a team that cannot play, with the way out; sends no prompt and costs nothing.

    Args:
        config: the team.
        needs_prices: there is a limit in dollars, and it must mean something.

    Raises:
        ConfigError: names the model and what is missing.
    """
    if not config.llm_roles:
        return
    names = sorted({name for role in config.llm_roles for name in config.models_of(role)})
    has_limit = needs_prices or any(s.limits.dollars is not None for s in config.roles.values())
    for name in names:
        model = config.models[name]
        check_library(model)
        key_of(model)
        if has_limit and price_of(model) is None:
            raise ConfigError(
                f"model {model.label} has no known price, and a limit in dollars would mean "
                f"nothing; add to the team file: [models.{name}.price] with input and output in "
                "dollars per million tokens, or limit tokens instead"
            )
    for name in names:
        reach(config.models[name])


def check_library(model: ModelConfig) -> None:
    """Refuse a model whose client is not installed.

    Raises:
        ConfigError: says what to install.
    """
    for library in ("pydantic_ai", LIBRARIES[model.provider]):
        try:
            found = importlib.util.find_spec(library) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            raise ConfigError(
                f"model {model.label} needs {library}, which is not installed: "
                "pip install 'move37[llm]'"
            )


def reach(model: ModelConfig) -> None:
    """Ask a server for its list of models: it must answer, and not refuse the key.

    Raises:
        ConfigError: says where it was looked for, and the way out.
    """
    base = (model.base_url or SERVERS[model.provider]).rstrip("/")
    if model.base_url and model.provider == "anthropic":
        base += "/v1"
    request = urllib.request.Request(f"{base}/models", headers=_headers(model))  # noqa: S310 - http(s) only, checked by ModelConfig
    try:
        with urllib.request.urlopen(request, timeout=REACH_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in REFUSED:
            raise _refused(model, error.code) from None
        return  # it is there: not every server lists its models
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConfigError(
            f"model {model.label}: no server answers at {base} ({hide_keys(str(error))}); "
            f"{_way_out(model)}"
        ) from None


def _refused(model: ModelConfig, status: int) -> ConfigError:
    names = variables_of(model)
    if not names:
        return ConfigError(
            f"model {model.label}: the server wants a key (status {status}); put it into an "
            "environment variable and name that variable as key_env in the team file"
        )
    return ConfigError(
        f"model {model.label}: the server refuses the key in {' or '.join(names)} "
        f"(status {status}); set another one, or ask the provider why"
    )


def _way_out(model: ModelConfig) -> str:
    if model.base_url:
        host = urlsplit(model.base_url).netloc
        return f"start the server at {host}, or correct base_url in the team file"
    return "check the network, or run without --team: the symbolic team needs none"


def _headers(model: ModelConfig) -> dict[str, str]:
    key = key_of(model)
    headers = {"User-Agent": "move37"}
    if key == NO_KEY:
        return headers
    match model.provider:
        case "anthropic":
            return headers | {"x-api-key": key, "anthropic-version": "2023-06-01"}
        case "google":
            return headers | {"x-goog-api-key": key}
    return headers | {"Authorization": f"Bearer {key}"}
