"""What a campaign came to, as plain values: the report's numbers for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from move37.core.events import Event
from move37.insights.report import Others, report_context
from move37.insights.story import Record

KEYS = (
    "name", "headline", "meaning", "baseline", "gallery", "tested", "race", "known", "opponents",
    "larger", "found", "missed", "parts", "effects", "origins", "origin_shares", "trends",
    "failures", "helping", "hurting", "unclear", "calibration", "agreement", "spending", "guards",
    "noise", "published",
)  # fmt: skip
NAMES = {
    "found": "discovery",
    "parts": "components",
    "effects": "matched",
    "origins": "provenance",
    "origin_shares": "provenance_difference",
}
"""Key of the templates -> key in JSON."""


def report_json(events: list[Event], *, beside: Others = ()) -> dict[str, Any]:
    """Return the report's numbers; a candidate is its id and name. Never NaN.

    Raises:
        ConfigError: a run beside has another preset or baseline.
    """
    context = report_context(events, beside=beside, with_pictures=False)
    return {NAMES.get(key, key): plain(context[key]) for key in KEYS if key in context}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: records by id and name, numbers finite or None."""
    if isinstance(value, Record):
        return {"id": value.id, "name": value.name}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(of) for key, of in value.items()}
    return [plain(of) for of in value] if isinstance(value, Iterable) else str(value)
