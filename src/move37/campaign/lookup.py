"""Find one candidate by the first digits of its id, its name, or its number elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from move37.core.errors import UnknownName
from move37.memory.state import Entry, State

MOST_NAMED = 8
"""Candidates in a message."""
MOST_COMPARED = 20_000
"""Names that nearness is looked for in: difflib takes about 50 us each."""
MOST_LETTERS = 48


def find_entry(state: State, asked: str) -> Entry:
    """Return the one candidate that is meant: by id, `#` and number elsewhere, or exact name.

    Raises:
        UnknownName: none is, or several are; those that could be are named.
    """
    candidates = state.candidates
    if not candidates:
        raise UnknownName(
            f"no single candidate {_shown(asked)!r}: this run has no candidate yet; begin it, or "
            "go on with it: move37 run --name NAME"
        )
    wanted = asked.strip()
    matches = [e for id_, e in candidates.items() if wanted and id_.startswith(wanted.lower())]
    if not matches:
        matches = [e for e in candidates.values() if wanted in _spellings(e)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownName(
            f"no single candidate {_shown(asked)!r}: {len(matches)} are called so: "
            f"{_listed(matches)}; give more digits of the id"
        )
    near = _near(wanted, candidates.values())
    raise UnknownName(
        f"no single candidate {_shown(asked)!r} among {len(candidates)}: no id begins so and no "
        f"name is it; {f'nearest: {_listed(near)}; ' if near else ''}move37 tree lists all"
    )


def _spellings(entry: Entry) -> tuple[str, ...]:
    published = entry.published
    labels = (f"#{published.label}", published.display_name) if published else ()
    return (entry.candidate.idea.name, *labels)


def _near(asked: str, entries: Iterable[Entry]) -> list[Entry]:
    """Return the candidates whose id or name is most alike; often none."""
    by_name: dict[str, Entry] = {}
    for entry in entries:
        for spelling in (entry.id, entry.id[: max(4, len(asked))], *_spellings(entry)):
            by_name.setdefault(spelling.lower()[:MOST_LETTERS], entry)
    names = list(by_name)[-MOST_COMPARED:]
    found = difflib.get_close_matches(asked.lower()[:MOST_LETTERS], names, n=MOST_NAMED)
    return list({by_name[name].id: by_name[name] for name in found}.values())


def _listed(entries: list[Entry]) -> str:
    words = ", ".join(f"{e.id} ({_shown(e.candidate.idea.name)})" for e in entries[:MOST_NAMED])
    more = len(entries) - MOST_NAMED
    return f"{words} and {more} more" if more > 0 else words


def _shown(text: str) -> str:
    """Return hostile text for one line of a message."""
    clean = "".join(c if c.isprintable() else "�" for c in text[:MOST_LETTERS])
    return clean if len(text) <= MOST_LETTERS else f"{clean}…"
