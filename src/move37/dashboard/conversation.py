"""What was said to a language model and what it answered, read from the run's artefacts.

Everything in it was written by models, candidates and papers: it is cut to a bound and handed on as
text. Nothing here interprets it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from move37.core.errors import LedgerError
from move37.memory.artefacts import Artefacts

View = dict[str, Any]
MAX_PART_CHARACTERS = 16_000
MAX_PARTS = 60
MAX_BYTES = 4_000_000
"""An artefact above this is named, not read."""


def conversation(folder: Path, call: Mapping[str, Any]) -> View:
    """Return one request with its reply, as a list of who said what.

    Args:
        folder: the run's.
        call: a ModelCalled event's body.
    """
    artefacts = Artefacts(folder / "artefacts")
    asked, problem = _read(artefacts, str(call.get("request") or ""))
    answered, problem_there = _read(artefacts, str(call.get("reply") or ""))
    request = asked.get("messages", []) if isinstance(asked, dict) else asked or []
    parts = [*_parts(request), *_parts(answered or [])]
    return {
        "parts": parts[:1] + parts[1:][-MAX_PARTS:],
        "n_left_out": max(0, len(parts) - 1 - MAX_PARTS),
        "problems": [p for p in (problem, problem_there) if p],
        "request": call.get("request"),
        "reply": call.get("reply"),
    }


def _read(artefacts: Artefacts, digest: str) -> tuple[Any, str]:
    if not digest:
        return None, ""
    try:
        path = artefacts.path(digest)
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            return None, f"artefact {digest} has {path.stat().st_size} bytes: too many to show"
        return json.loads(artefacts.get(digest)), ""
    except LedgerError as error:
        return None, str(error)
    except (ValueError, RecursionError):
        return None, f"artefact {digest} does not read as a conversation"


def _parts(messages: Any) -> Iterator[View]:
    """Go through messages as pydantic-ai writes them, and through anything else with patience."""
    for message in messages if isinstance(messages, list) else [messages]:
        if not isinstance(message, dict):
            yield _part("text", message)
            continue
        if message.get("instructions"):
            yield _part("instructions", message["instructions"])
        for part in message.get("parts") or []:
            if isinstance(part, dict):
                yield _told(part)


def _told(part: Mapping[str, Any]) -> View:
    kind = str(part.get("part_kind", "text"))
    if kind in {"tool-call", "tool-return"}:
        content = part.get("args") if kind == "tool-call" else part.get("content")
        return _part(f"{kind}: {part.get('tool_name', '')}"[:80], content)
    return _part(kind[:80], part.get("content"))


def _part(who: str, content: Any) -> View:
    text = content if isinstance(content, str) else _spelled(content)
    return {
        "who": who,
        "text": text[:MAX_PART_CHARACTERS],
        "n_cut": max(0, len(text) - MAX_PART_CHARACTERS),
    }


def _spelled(content: Any) -> str:
    """Code in a tool's arguments is shown with its lines, not as one escaped string."""
    if isinstance(content, dict) and all(
        isinstance(v, str | int | float) for v in content.values()
    ):
        return "\n".join(f"{key}:\n{value}" for key, value in content.items())
    return json.dumps(content, ensure_ascii=False, indent=1, default=str)
