"""Find one candidate by the first digits of its id, its name, or its number elsewhere."""

from __future__ import annotations

from move37.core.errors import UnknownName
from move37.memory.state import Entry, State


def find_entry(state: State, prefix: str) -> Entry:
    """Return the one candidate that is meant.

    Raises:
        UnknownName: none is, or several are; those that could be are named.
    """
    candidates = state.candidates
    matches = [entry for id_, entry in candidates.items() if id_.startswith(prefix)]
    if len(matches) != 1 and prefix.startswith("#"):
        label = prefix[1:]
        matches = [e for e in candidates.values() if e.published and e.published.label == label]
    if len(matches) != 1:
        raise UnknownName.of("single candidate", prefix, [e.id for e in matches] or candidates)
    return matches[0]
