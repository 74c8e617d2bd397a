"""Edits of a source as blocks: what stands there, exactly, and what shall stand there instead.

    <<<<<<< SEARCH
    old lines
    =======
    new lines
    >>>>>>> REPLACE

The old lines must stand in the source once, to the letter: a repair that guesses is refused, and
the refusal says what does stand there.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from move37.core.errors import ReplyError
from move37.team.llm.replies import joined, rows

SEARCH, DIVIDE, REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
MAX_EDITS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One replacement; both texts are whole lines."""

    old: str
    new: str


def read_edits(reply: str) -> list[Edit]:
    """Return the edit blocks of a reply; empty if it has none.

    Raises:
        ReplyError: a block is not closed, or there are more than MAX_EDITS.
    """
    edits: list[Edit] = []
    old: list[str] | None = None
    new: list[str] | None = None
    for line in rows(reply):
        mark = line.strip()
        if old is None:
            if mark == SEARCH:
                old = []
        elif new is None:
            if mark == DIVIDE:
                new = []
            else:
                old.append(line)
        elif mark == REPLACE:
            edits.append(Edit(old=joined(old), new=joined(new)))
            old = new = None
        else:
            new.append(line)
    if old is not None:
        raise ReplyError(f"edit block {len(edits) + 1} is not closed with {REPLACE!r}")
    if len(edits) > MAX_EDITS:
        raise ReplyError(f"at most {MAX_EDITS} edit blocks are taken, got {len(edits)}")
    return edits


def apply_edits(source: str, edits: Sequence[Edit]) -> str:
    """Return the source after all edits, one after the other.

    Raises:
        ReplyError: the old lines of an edit stand nowhere, or more than once.
    """
    lines = rows(source)
    for number, edit in enumerate(edits, start=1):
        old, new = rows(edit.old), rows(edit.new)
        places = _places(lines, old)
        if len(places) != 1:
            raise ReplyError(_complaint(number, old, lines, n=len(places)))
        (start,) = places
        lines[start : start + len(old)] = new
    return joined(lines)


def spell(edits: Sequence[Edit]) -> str:
    """Write edits as blocks: what `read_edits` reads."""
    return "\n".join(f"{SEARCH}\n{e.old}{DIVIDE}\n{e.new}{REPLACE}" for e in edits)


def _places(lines: list[str], old: list[str]) -> list[int]:
    if not old:
        return []
    last = len(lines) - len(old)
    return [i for i in range(last + 1) if lines[i : i + len(old)] == old]


def _complaint(number: int, old: list[str], lines: list[str], *, n: int) -> str:
    if not old:
        return f"edit block {number} searches for nothing; quote the lines to replace"
    first = next((line for line in old if line.strip()), old[0])
    if n:
        return (
            f"edit block {number} fits {n} places; quote more lines around {first.strip()!r:.120}"
        )
    near = difflib.get_close_matches(first, lines[:2000], n=1)
    hint = f"; near it stands {near[0]!r:.160}" if near else ""
    return f"edit block {number} fits nowhere: no such lines as {first!r:.160}{hint}"
