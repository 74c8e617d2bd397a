"""Keys of providers: read from the environment when a request is sent, kept out of everything else.

What a server says is cleaned of every key that this process has used before anybody sees it: a
server may echo one.
"""

from __future__ import annotations

import os

from move37.core.errors import ConfigError
from move37.core.team import ModelConfig

VARIABLES = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "openai-compatible": (),
}
NO_KEY = "none-needed"
HIDDEN = "[key]"
SHORTEST = 6
"""Shorter values are not hidden: they would be found inside ordinary words."""

_used: set[str] = set()


def variables_of(model: ModelConfig) -> tuple[str, ...]:
    """Return the environment variables that may hold the key of a model."""
    return (model.key_env,) if model.key_env else VARIABLES[model.provider]


def key_of(model: ModelConfig) -> str:
    """Return a model's key; NO_KEY for a server that needs none.

    Raises:
        ConfigError: the variable is not set; says which.
    """
    names = variables_of(model)
    for name in names:
        if value := os.environ.get(name, "").strip():
            _used.add(value)
            return value
    if not names:
        return NO_KEY
    raise ConfigError(
        f"model {model.label} needs a key: set {' or '.join(names)} in the environment "
        f"(export {names[0]}=...); keys are never read from files"
    )


def hide_keys(text: str) -> str:
    """Return a text without any key that this process has used."""
    for value in sorted(_used, key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    return text
