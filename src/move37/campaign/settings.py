"""Read campaign and preset files: TOML in, checked records out, one clear ConfigError otherwise."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError

from move37.core.config import CampaignConfig, Preset
from move37.core.errors import ConfigError, UnknownName

Section = TypeVar("Section", bound=BaseModel)

DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd]?)")
PRIVATE = frozenset({"key_env", "base_url"})
"""Keys whose values are not repeated: a secret may have been put there by mistake."""
UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def load_campaign(path: Path | None, overrides: dict[str, Any] | None = None) -> CampaignConfig:
    """Return the campaign of a TOML file (or the default one) with overrides laid over it.

    Args:
        path: a campaign file, or None for the default campaign.
        overrides: nested keys as in the file; None values are left out.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value breaks a rule.
    """
    raw = read_toml(path) if path else {}
    for key, value in (overrides or {}).items():
        if isinstance(value, dict):
            given = {k: v for k, v in value.items() if v is not None}
            if isinstance(raw.get(key, {}), dict):  # what is no table is refused below
                raw[key] = {**raw.get(key, {}), **given}
        elif value is not None:
            raw[key] = value
    return validate(CampaignConfig, raw, where=path.name if path else "campaign")


def worker_count(config: CampaignConfig) -> int:
    """Return how many trials run side by side: one a core, unless the config says otherwise."""
    return config.workers or len(os.sched_getaffinity(0))


def says_lag(config: CampaignConfig) -> bool:
    """Return whether somebody chose the lag."""
    return "lag" in config.search.model_fields_set


def choose_lag(config: CampaignConfig) -> CampaignConfig:
    """Return the config of a run that begins, with the lag that suits its workers.

    A smaller one would leave some idle, a larger one lets candidates know less than they could
    (docs/decisions/002). It stays as it is where somebody chose it; where other drivers may begin
    or join the run; and on a GPU, whose memory would not hold a trial a core. Where candidates or
    tokens end the search, not time, waiting costs nothing that counts: there it is at most the
    config's default.
    """
    budget, lag = config.budget, config.search.lag
    if says_lag(config) or config.database or load_preset(config.preset).training.device != "cpu":
        return config
    is_timed = budget.max_candidates is None and budget.search_tokens is None
    return with_lag(config, worker_count(config) if is_timed else min(lag, worker_count(config)))


def with_lag(config: CampaignConfig, lag: int) -> CampaignConfig:
    """Return the config with another lag, as if somebody had chosen it."""
    return config.model_copy(update={"search": config.search.model_copy(update={"lag": lag})})


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that ship with move37."""
    folder = resources.files("move37.core") / "presets"
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def load_preset(name: str) -> Preset:
    """Return a preset by name, or from a TOML file when the name ends in `.toml`.

    Raises:
        UnknownName: no preset has this name.
        ConfigError: the file is missing, is not TOML, or a value breaks a rule.
    """
    if name.endswith(".toml"):
        where, raw = Path(name).name, read_toml(Path(name))
    elif name in preset_names():
        text = (resources.files("move37.core") / "presets" / f"{name}.toml").read_text("utf-8")
        where, raw = f"preset {name}", tomllib.loads(text)
    else:
        raise UnknownName.of("preset", name, preset_names())
    return validate(Preset, raw, where=where)


def parse_duration(text: str) -> float:
    """Return seconds: `90`, `90s`, `8m`, `1h`, `2d`.

    Raises:
        ConfigError: not a duration, or not above zero.
    """
    match = DURATION.fullmatch(text.strip().lower())
    seconds = float(match["number"]) * UNIT_SECONDS[match["unit"]] if match else 0.0
    if seconds <= 0:
        raise ConfigError(
            f"budget must be a time above zero such as 90s, 8m, 1h, got {text!r}; "
            "for a smoke run use 30s"
        )
    return seconds


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file as a table.

    Raises:
        ConfigError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no file {path}; give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error


def validate(section: type[Section], raw: dict[str, Any], *, where: str) -> Section:
    """Return a checked record of a table.

    Raises:
        ConfigError: names each key that breaks a rule, and never repeats what could hold a secret.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        problems = [_explain(section, problem) for problem in error.errors()]
        # no chain: pydantic's own text repeats every value, and one may be a key put there
        raise ConfigError(f"{where}: " + "; ".join(problems)) from None


def _explain(section: type[BaseModel], problem: Any) -> str:
    location = list(problem["loc"])
    key = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(section, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        return f"unknown key {key!r}{hint} known here: {', '.join(known)}"
    message = problem["msg"].removeprefix("Value error, ")
    is_private = PRIVATE & {str(part) for part in location} or isinstance(problem["input"], dict)
    got = "" if is_private else f", got {problem['input']!r}"
    return f"{key}: {message}{got}" if key else message


def _keys_beside(section: type[BaseModel], location: list[Any]) -> list[str]:
    """Return the keys allowed at a location of the config tree."""
    parts = iter(location)
    for part in parts:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[str(part)].annotation
        if get_origin(annotation) is dict:
            next(parts, None)  # a name that the file's author gave
        inner = [annotation, *getattr(annotation, "__args__", ())]
        section = next(t for t in inner if isinstance(t, type) and issubclass(t, BaseModel))
    return sorted(section.model_fields)
