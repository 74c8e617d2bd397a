"""What two campaigns of one name differ in, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from move37.campaign.settings import PRIVATE
from move37.core.config import CampaignConfig

SHOWN = 6
"""Settings that are named; more are counted."""
LONGEST = 80  # characters of a value


def differing_words(
    asked: CampaignConfig, stored: CampaignConfig, keys: Iterable[str]
) -> tuple[str, ...]:
    """Name the settings that differ, each with the value of the run and the asked one.

    Values that could hold a secret are not repeated.
    """
    then, now = stored.model_dump(mode="json"), asked.model_dump(mode="json")
    found = [words for key in sorted(keys) for words in _leaves(key, then[key], now[key])]
    rest = len(found) - SHOWN
    return (*found[:SHOWN], *([f"and {rest} more"] if rest > 0 else []))


def _leaves(path: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys()):
            yield from _leaves(f"{path}.{key}", then.get(key), now.get(key))
    elif then != now:
        is_private = path.rpartition(".")[2] in PRIVATE or isinstance(now or then, dict)
        yield f"{path} is another" if is_private else f"{path} is {_say(then)}, not {_say(now)}"


def _say(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
