"""Read `--team`: a TOML file, or models by provider: `anthropic,openai:gpt-5.4`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from move37.campaign.settings import read_toml, validate
from move37.core.errors import ConfigError, UnknownName
from move37.core.team import TeamConfig

DEFAULT_MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-6.1-terra",
    "google": "gemini-3.8-flash",
}
"""What a provider's name alone stands for: its middle class, as of the price list's date."""


def load_team(text: str) -> TeamConfig:
    """Return the team that `--team` names.

    Raises:
        ConfigError: the file is missing or breaks a rule, or a provider is not known.
    """
    if text.endswith(".toml"):
        path = Path(text)
        raw = read_toml(path)
        return validate(TeamConfig, raw, where=path.name)
    return validate(TeamConfig, _of_providers(text), where="--team")


def _of_providers(text: str) -> dict[str, Any]:
    models: dict[str, dict[str, str]] = {}
    for part in text.split(","):
        provider, _, model = part.strip().partition(":")
        if provider == "openai-compatible" or "/" in provider:
            raise ConfigError(
                "a server of your own needs a team file with its base_url; see docs/team.md"
            )
        if provider not in DEFAULT_MODELS:
            raise UnknownName.of("provider", provider, DEFAULT_MODELS)
        name = part.strip().replace(":", "-")
        models[name] = {"provider": provider, "model": model or DEFAULT_MODELS[provider]}
    providers = {model["provider"] for model in models.values()}
    # a judge is never of the author's family: with one provider the symbolic judge judges
    judge = "llm" if len(providers) > 1 else "symbolic"
    return {
        "researcher": "llm",
        "engineer": "llm",
        "analyst": "llm",
        "judge": judge,
        "models": models,
    }
