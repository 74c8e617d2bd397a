"""Events as canonical JSON, and back. The one place that knows how an event is spelled on disk.

Canonical: sorted keys, no spaces, floats as Python's shortest exact form, so that equal events have
equal bytes and the hash chain means something. Reading is strict: a field that is not known, or of
another type, is an error and never dropped.
"""

from __future__ import annotations

import functools
import json
import math
import types
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from move37 import __version__
from move37.core.errors import LedgerError
from move37.core.events import Event

KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}

VERSIONS: dict[str, int] = dict.fromkeys(KINDS, 1)
"""Spelling of each kind. Raise a kind's number when a field is renamed, removed or changes meaning
(a new field with a default needs none), and teach `decode` to read the old spelling."""


def encode(event: Event) -> str:
    """Spell an event's fields as canonical JSON.

    Lone surrogates (a hostile child's last words may hold some) become U+FFFD: UTF-8 has no form
    for them.

    Raises:
        LedgerError: not an event, a number that is not finite, or a value JSON has no form for;
            names the field.
    """
    kind = kind_of(event)
    return json.dumps(
        _plain(event, kind), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def decode(kind: str, version: int, body: str) -> Event:
    """Read an event back; `decode(kind, version, encode(event))` equals `event`.

    Raises:
        LedgerError: the kind or version is not known here, or the body does not fit the kind.
    """
    if kind not in KINDS:
        raise LedgerError(
            f"event kind {kind!r} is not known to move37 {__version__}; "
            "the ledger was probably made by a newer move37: upgrade to read it"
        )
    if version != VERSIONS[kind]:
        raise LedgerError(
            f"event {kind} has version {version}, move37 {__version__} reads version "
            f"{VERSIONS[kind]}; upgrade move37 to read this ledger"
        )
    try:
        return _adapter(kind).validate_json(f"[{body}]", strict=True)[0]
    except ValidationError as error:
        raise LedgerError(f"event {kind} does not read: {_first_problem(error)}") from error


def kind_of(event: Event) -> str:
    """Name an event's kind.

    Raises:
        LedgerError: it is not one of core.events.
    """
    kind = type(event).__name__
    if KINDS.get(kind) is not type(event):
        raise LedgerError(f"only the events of core.events are recorded, got {type(event)!r}")
    return kind


@functools.cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    # A tuple of one: pydantic takes a config for it and passes it down to plain dataclasses,
    # which by themselves would silently drop unknown fields.
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    one: Any = types.GenericAlias(tuple, (KINDS[kind],))
    return TypeAdapter(one, config=config)


def _plain(value: object, path: str) -> object:
    match value:
        case None | bool() | int():
            return value
        case StrEnum():
            return value.value
        case str():
            return _text(value)
        case float():
            return _finite(value, path)
        case tuple() | list():
            return [_plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
        case dict():
            return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name), f"{path}.{f.name}") for f in fields(value)}
    raise LedgerError(f"{path} is a {type(value).__name__}, which has no form in JSON: {value!r}")


def _finite(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise LedgerError(
            f"{path} is {value}; only finite numbers are recorded (a result that is not finite is "
            "Outcome.DIVERGED with no number)"
        )
    return float(value)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise LedgerError(f"{path} has the key {key!r}; keys must be strings")
    return _text(key)


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return f"{where or 'body'}: {first['msg']}"
