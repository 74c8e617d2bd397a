"""What an edit is: one named move in the space of descriptions."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass

from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.changes import Change
from move37.team.symbolic.description import Description


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One named move; a pure function from description to description."""

    name: str
    """`what:how`; never changes its meaning, for cards and lessons refer to it."""
    summary: str
    """What the changed layer does, as the rest of a sentence: "forgets at fixed rates"."""
    change: Change
    weight: float
    """Prior odds of being drawn, before cards and lessons move them."""

    def apply(self, description: Description) -> Description | None:
        """Return the changed description in canonical form.

        None if nothing would change, or if the canonical form takes back what the edit set: an edit
        either does what its name says or nothing.
        """
        wanted = self.change(description)
        changed = canonical(wanted)
        if changed == description or not honoured(description, wanted, changed):
            return None
        return changed

    @property
    def simplifies(self) -> bool:
        """Whether the edit only takes away."""
        return self.name.startswith("simplify:")


def honoured(before: object, wanted: object, result: object) -> bool:
    """Whether a result keeps every value that `wanted` has and `before` had not.

    What `wanted` adds as a whole (a gate, a memory) is kept if something of its kind is there.
    """
    if before == wanted:
        return True
    if is_dataclass(wanted) and not isinstance(wanted, type):
        if type(before) is not type(wanted):
            return type(result) is type(wanted)
        return type(result) is type(wanted) and all(
            honoured(getattr(before, f.name), getattr(wanted, f.name), getattr(result, f.name))
            for f in fields(wanted)
        )
    if isinstance(before, tuple) and isinstance(wanted, tuple) and isinstance(result, tuple):
        if len(before) == len(wanted) == len(result):
            return all(map(honoured, before, wanted, result))
        return len(wanted) == len(result)
    return result == wanted


def edit(name: str, summary: str, change: Change, weight: float = 1.0) -> Edit:
    """Return a row of the catalogue."""
    return Edit(name=name, summary=summary, change=change, weight=weight)
