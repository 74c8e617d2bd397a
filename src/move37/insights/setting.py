"""What a campaign was run with: its config and preset as the ledger holds them, and how to repeat.

A ledger of an older version names its preset only: then it is read from those that ship with
`core`, or from its own file.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from move37.core.config import CampaignConfig, Preset, SearchConfig
from move37.insights.story import Story

FLAGS = {"name", "preset", "seed", "workers", "budget"}
"""Keys of a config that the command line can set; of the budget, two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What was asked for, as far as it can still be read."""

    config: CampaignConfig | None
    preset: Preset | None
    """None if this version cannot read what the ledger holds; or the file that it names is gone."""


def read_setting(story: Story) -> Setting:
    """Return config and preset of a campaign; None for what cannot be read any more."""
    if story.started is None:
        return Setting(config=None, preset=None)
    stored = story.started.preset
    preset = _parse_preset(stored) if stored else None
    try:
        config = CampaignConfig.model_validate_json(story.started.config)
    except ValueError:
        return Setting(config=None, preset=preset)
    searches = [s for s in story.opened if s.purpose == "search"]
    if searches:  # a later session may have been given more; a verification has no part in it
        budget = {"wall_seconds": searches[-1].budget_seconds}
        config = config.model_copy(update={"budget": config.budget.model_copy(update=budget)})
    return Setting(config=config, preset=preset if stored else _read_preset(config.preset))


def config_text(config: CampaignConfig) -> str:
    """Return the config as TOML, ready to be run again."""
    return to_toml(config.model_dump(mode="json", exclude_none=True))


def command(config: CampaignConfig, *, sandboxed: bool) -> str:
    """Return the command line that runs this campaign; flags alone where they can say it all.

    The number of workers is among them: a run begins with it as its lag, which is another where
    there are more cores.
    """
    words = ["move37", "run"]
    rest = {"budget": {"confirm_share"}} | {
        key: True for key in CampaignConfig.model_fields if key not in FLAGS
    }
    lag = config.search.lag
    n_workers = config.workers or lag
    usual = CampaignConfig(search=SearchConfig(lag=lag))
    if lag != n_workers or config.model_dump(include=rest) != usual.model_dump(include=rest):
        words.append("campaign.toml")
    else:
        words += ["--name", config.name, "--preset", config.preset, "--seed", str(config.seed)]
        words += ["--budget", f"{config.budget.wall_seconds:g}s"]
        if config.budget.max_candidates:
            words += ["--candidates", str(config.budget.max_candidates)]
        if config.budget.search_tokens:
            words += ["--search-tokens", str(config.budget.search_tokens)]
        words += ["--workers", str(n_workers)]
    return shlex.join(words if sandboxed else [*words, "--unsandboxed"])


def to_toml(tree: dict[str, Any]) -> str:
    """Return a tree of plain values as TOML: one level of tables, no None."""
    lines = [f"{key} = {_toml_value(v)}" for key, v in tree.items() if not isinstance(v, dict)]
    for key, table in tree.items():
        if isinstance(table, dict):
            lines += ["", f"[{key}]", *(f"{k} = {_toml_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    """JSON and TOML spell plain values and lists of them alike, but for the DEL character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse_preset(text: str) -> Preset | None:
    """Read a stored preset; never by name instead: the file may have changed since."""
    try:
        return Preset.model_validate_json(text)
    except ValueError:  # a report without noise units is better than no report
        return None


def _read_preset(name: str) -> Preset | None:
    try:
        if name.endswith(".toml"):
            text = Path(name).read_text("utf-8")
        elif name.replace("_", "").replace("-", "").isalnum():
            folder = resources.files("move37.core") / "presets"
            text = (folder / f"{name}.toml").read_text("utf-8")
        else:
            return None
        return Preset.model_validate(tomllib.loads(text))
    except (OSError, ValueError):  # as above
        return None
