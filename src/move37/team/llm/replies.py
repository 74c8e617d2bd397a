"""What can be read out of a reply. Total: any text gives a checked record or a ReplyError.

A reply is one JSON object (the fields) and, where code is asked for, one fenced block of Python.
Code is kept out of the JSON: models break the quoting of long strings. Nothing here is executed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from move37.core.candidate import check_source
from move37.core.errors import ReplyError, SourceError
from move37.core.parsing import parse

MAX_REPLY = 200_000  # assumed: characters; ten times a long layer with all its prose
MAX_CODE = 60_000  # assumed: twice the longest of 106 published layers
MAX_LINE = 2_000  # no honest line of code is longer
FENCE = re.compile(r"^[ \t]{0,3}(?P<mark>`{3,}|~{3,})[ \t]*(?P<language>[\w+.-]*)[^\n`]*$")
PYTHON = {"python", "py", "python3"}
REFUSALS = ("i can't", "i cannot", "i'm sorry", "i am unable", "as an ai")

Fields = TypeVar("Fields", bound="ReplyFields")


class ReplyFields(BaseModel):
    """Base of what a reply's JSON must hold. Unknown keys are dropped: models like to add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block of a reply."""

    language: str
    """Lower case; empty if none was named."""
    body: str
    is_closed: bool
    """False where the reply ends inside: it was cut off."""


def blocks_of(reply: str) -> list[Block]:
    """Return all fenced blocks, in order."""
    found: list[Block] = []
    mark, language, body = "", "", list[str]()
    for line in rows(reply[:MAX_REPLY]):
        fence = FENCE.match(line)
        if not mark:
            if fence:
                mark, language, body = fence["mark"], fence["language"].lower(), []
        elif fence and fence["mark"].startswith(mark) and not fence["language"]:
            found.append(Block(language=language, body=joined(body), is_closed=True))
            mark = ""
        else:
            body.append(line)
    if mark:
        found.append(Block(language=language, body=joined(body), is_closed=False))
    return found


def read_fields(reply: str, kind: type[Fields]) -> Fields:
    """Return the first JSON object of a reply that has the asked fields.

    Raises:
        ReplyError: there is none; says what is wrong with the best one.
    """
    _check_length(reply)
    problem = ""
    for value in _objects(reply):
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            problem = problem or _first_problem(error)
    if problem:
        raise ReplyError(f"the JSON object does not fit: {problem}")
    raise ReplyError(_nothing("no JSON object", reply))


def read_layer_code(reply: str) -> str:
    """Return the source of the layer in a reply: the block of Python that defines it.

    Raises:
        ReplyError: no block, cut off, not Python, another class, or text no layer contains.
    """
    _check_length(reply)
    blocks = blocks_of(reply)
    code = [b for b in blocks if b.language in PYTHON or (not b.language and "class " in b.body)]
    if not code:
        raise ReplyError(_nothing("no block of Python (```python … ```)", reply))
    block = next((b for b in reversed(code) if _defines_layer(b.body)), code[-1])
    if not block.is_closed:
        raise ReplyError("the block of Python is not closed: the reply was cut off; send it whole")
    return check_layer_code(block.body)


def check_layer_code(source: str) -> str:
    """Return the source if it parses and defines a layer.

    Raises:
        ReplyError: says what is wrong, with the line.
    """
    if len(source) > MAX_CODE or any(len(line) > MAX_LINE for line in rows(source)):
        raise ReplyError(
            f"a layer has at most {MAX_CODE} characters and {MAX_LINE} a line; this one is longer"
        )
    try:
        check_source(source)
        tree = parse(source)
    except SyntaxError as error:
        raise ReplyError(f"the code does not parse: line {error.lineno}: {error.msg}") from error
    except (SourceError, ValueError, RecursionError, MemoryError) as error:
        raise ReplyError(f"the code cannot be taken: {error}") from error
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if "Mixer" not in classes:
        named = ", ".join(classes[:5]) or "no class"
        raise ReplyError(f"the code must define class Mixer at top level; it defines {named}")
    return source


def rows(text: str) -> list[str]:
    """Return the lines of a text: parted by line feeds only, so that nothing inside one is lost."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def joined(lines: Iterable[str]) -> str:
    """Return lines as a text; the inverse of `rows`."""
    return "".join(f"{line}\n" for line in lines)


def _defines_layer(body: str) -> bool:
    return re.search(r"^class Mixer\b", body, re.MULTILINE) is not None


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a reply: of its JSON blocks first, then anywhere in its prose."""
    blocks = [b.body for b in blocks_of(reply) if b.language in {"json", "json5", "jsonc", ""}]
    for text in (*blocks, reply):
        yield from _objects_in(text)


def _objects_in(text: str, *, tries: int = 50) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    start = text.find("{")
    while start >= 0 and tries:
        tries -= 1
        end = start + 1
        try:
            value, end = decoder.raw_decode(text, start)
            if isinstance(value, dict):
                yield value
        except (ValueError, RecursionError):
            pass
        start = text.find("{", end)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _check_length(reply: str) -> None:
    if not reply.strip():
        raise ReplyError("the reply is empty")
    if len(reply) > MAX_REPLY:
        raise ReplyError(f"the reply has {len(reply)} characters; at most {MAX_REPLY} are read")


def _nothing(what: str, reply: str) -> str:
    start = " ".join(reply.split())[:120]
    if start.lower().startswith(REFUSALS):
        return f"the model refuses: {start!r}"
    return f"the reply has {what}; it begins {start!r}"


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:40] for part in first["loc"])
    return f"{where or 'object'}: {first['msg'][:200]}"
