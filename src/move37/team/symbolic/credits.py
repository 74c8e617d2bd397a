"""What earlier lessons say about elements and edits, and from whom it was learnt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from move37.team.protocols import LessonHint
from move37.team.symbolic.description import Description
from move37.team.symbolic.elements import elements

SHRINKAGE = 2.0  # assumed: two pseudo-lessons that say "no effect" stand before the first


@dataclass(frozen=True, kw_only=True, slots=True)
class Credits:
    """Mean credit by element or edit, shrunk towards zero, in units of noise."""

    values: dict[str, float]
    sources: dict[str, str]
    """Element or edit -> id of the candidate whose lesson speaks for it most."""

    def of_change(self, before: Description, after: Description, name: str) -> float:
        """Return what lessons say about a change: gained elements for it, lost ones against it.

        Args:
            before: the description that is changed.
            after: the description it becomes.
            name: of the edit; a credit for the edit itself is added.
        """
        old, new = set(elements(before)), set(elements(after))
        gained = sum(self.values.get(element, 0.0) for element in new - old)
        lost = sum(self.values.get(element, 0.0) for element in old - new)
        return gained - lost + self.values.get(name, 0.0)

    def source_of_change(self, before: Description, after: Description, name: str) -> str:
        """Return the candidate whose lesson speaks most for a change; empty if none does."""
        old, new = set(elements(before)), set(elements(after))
        votes = {e: self.values.get(e, 0.0) for e in [*(new - old), name]}
        votes |= {e: -self.values.get(e, 0.0) for e in old - new}
        best = max(sorted(votes), key=lambda e: votes[e], default="")
        return self.sources.get(best, "") if votes.get(best, 0.0) > 0 else ""


def gather(lessons: Iterable[LessonHint]) -> Credits:
    """Return the shrunk mean of all lessons' credits."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    strongest: dict[str, tuple[float, str]] = {}
    for lesson in lessons:
        for name, value in lesson.credits.items():
            sums[name] = sums.get(name, 0.0) + value
            counts[name] = counts.get(name, 0) + 1
            strongest[name] = max(
                strongest.get(name, (-1.0, "")), (abs(value), lesson.candidate_id)
            )
    return Credits(
        values={name: total / (counts[name] + SHRINKAGE) for name, total in sums.items()},
        sources={name: candidate_id for name, (_, candidate_id) in strongest.items()},
    )
