"""Read cells of published tables: numbers as text, sizes like `464.64M`, CSV inside a string.

Total: whatever comes in, the answer is a finite number, or None; a table, or an empty one.
"""

from __future__ import annotations

import csv
import io
import math
import re

MAX_TABLE_CHARACTERS = 200_000
MAX_CELLS = 2_000
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9}
SIZE = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?)\s*([kmbg]?)[a-z ]*", re.I)


def number(value: object) -> float | None:
    """Return a finite number from a number or its text; None for anything else, NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value if not isinstance(value, str) else value.strip()[:64])
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole(value: object) -> int | None:
    """Return a whole number below 2^30 that is not negative; None for anything else."""
    found = number(value)
    if found is None or found != int(found) or not 0 <= found < 2**30:
        return None
    return int(found)


def size(value: object) -> int:
    """Return a count of parameters from `464.64M`, `1.2B`, `464,640,000` or a number; 0 if none."""
    if not isinstance(value, str):
        found = number(value)
        return int(found) if found is not None and 0 < found < 1e15 else 0
    match = SIZE.fullmatch(value[:64])
    if match is None:
        return 0
    found = number(match[1].replace(",", "").replace("_", ""))
    total = (found or 0.0) * UNITS[match[2].lower()]
    return round(total) if total < 1e15 else 0


def text(value: object, most: int) -> str:
    """Return a value as text, cut to length; empty for what is no text."""
    if isinstance(value, str):
        return value[:most]
    return str(value)[:most] if isinstance(value, int | float) else ""


def table(value: object) -> list[tuple[str, str]]:
    """Return the cells of a CSV text as (name, value), whichever way the table is turned.

    Wide: a line of names, then a line of values, as the ancestor writes. Long: a name and a value a
    line. An unnamed first column with the model's name is left out.
    """
    if not isinstance(value, str) or len(value) > MAX_TABLE_CHARACTERS:
        return []
    try:
        rows = [row for row in csv.reader(io.StringIO(value.strip())) if any(map(str.strip, row))]
    except csv.Error:
        return []
    if not rows:
        return []
    if max(map(len, rows)) <= 2:
        pairs = [(row[0], row[1]) for row in rows if len(row) == 2]
    else:
        pairs = list(zip(rows[0], rows[1], strict=False)) if len(rows) > 1 else []
    return [(name.strip(), cell.strip()) for name, cell in pairs[:MAX_CELLS]]


def curve(value: object) -> tuple[tuple[int, float], ...]:
    """Return (step, loss) from a training table, by rising step; other cells are left out."""
    found: dict[int, float] = {}
    for name, cell in table(value):
        step, loss = whole(re.sub(r"(?i)^\s*(step|iter(ation)?)[ _:]*", "", name)), number(cell)
        if step is not None and loss is not None:
            found.setdefault(step, loss)
    return tuple(sorted(found.items()))


def results(value: object) -> tuple[dict[str, float], list[str]]:
    """Return benchmark -> number from a test table, and the names whose cell is no number."""
    numbers: dict[str, float] = {}
    unread = []
    for name, cell in table(value):
        found = number(cell)
        if not name or name.lower() in ("model", "name"):
            continue
        if found is None:
            unread.append(name[:40])
        else:
            numbers.setdefault(name[:80], found)
    return numbers, unread
