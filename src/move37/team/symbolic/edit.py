"""What an edit is: one named move in the space of descriptions."""

from __future__ import annotations

from dataclasses import dataclass

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
        """Return the changed description in canonical form, or None if nothing would change."""
        changed = canonical(self.change(description))
        return None if changed == description else changed

    @property
    def simplifies(self) -> bool:
        """Whether the edit only takes away."""
        return self.name.startswith("simplify:")


def edit(name: str, summary: str, change: Change, weight: float = 1.0) -> Edit:
    """Return a row of the catalogue."""
    return Edit(name=name, summary=summary, change=change, weight=weight)
