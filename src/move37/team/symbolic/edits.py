"""All named edits, by name: what cards may suggest and the Researcher draws from."""

from __future__ import annotations

from move37.core.errors import UnknownName
from move37.team.symbolic.catalogue_layer import LAYER_EDITS
from move37.team.symbolic.catalogue_memory import MEMORY_EDITS
from move37.team.symbolic.description import Description
from move37.team.symbolic.edit import Edit

EDITS: dict[str, Edit] = {edit.name: edit for edit in (*MEMORY_EDITS, *LAYER_EDITS)}


def edit_named(name: str) -> Edit:
    """Return an edit by name.

    Raises:
        UnknownName: no edit has this name; the message lists all.
    """
    if name not in EDITS:
        raise UnknownName.of("edit", name, EDITS)
    return EDITS[name]


def applicable(description: Description) -> dict[str, Description]:
    """Return every edit that changes this description with its result, in name order."""
    results = {name: EDITS[name].apply(description) for name in sorted(EDITS)}
    return {name: result for name, result in results.items() if result is not None}
