"""Where design elements come from: declared at proposal, checked against the author's context.

A card that was never shown for that candidate is no source, nor is a lesson that its author could
not have read: written later, of a candidate too near in time (the lag rule), or never written.
What fails the check counts as the author's own. Which of many lessons a prompt had room for is not
in the ledger: any that could be read counts as read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from move37.core.candidate import Candidate, Element, Origin
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    CandidateStarted,
    CardsRead,
    Event,
    LessonWritten,
)
from move37.insights.components import difference_of_shares
from move37.insights.setting import read_setting
from move37.insights.story import Record, Story

EARLIER = "earlier-campaign"
"""Stands for the candidates of the campaign that `run --lessons` brought in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenanceRow:
    """Where the elements of some layers come from, as declared and as checked."""

    group: str
    n: int
    card: float
    lesson: float
    original: float
    """Shares, after the check."""
    n_unfounded: int
    """Declared to come from something that was not in the author's context: counted as original."""
    counts: dict[Origin, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareRow:
    """One origin's share of elements: gallery less rest."""

    origin: str
    difference: float
    low: float
    high: float
    """95 % interval (Newcombe 1998, method 10), elements taken as independent."""


@dataclass(slots=True)
class _Context:
    """What authors could have read, event by event."""

    lag: int
    has_seed_lessons: bool
    cards: dict[int, frozenset[str]] = field(default_factory=dict)
    arms: dict[int, str] = field(default_factory=dict)
    lessons: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Candidate -> indices at which it had a lesson."""

    def holds(self, element: Element, index: int, candidate: Candidate) -> bool:
        """Whether the declared source was there to be read."""
        match element.origin:
            case Origin.CARD:
                return element.source in self.cards.get(index, frozenset())
            case Origin.LESSON if element.source == EARLIER:
                return self.has_seed_lessons
            case Origin.LESSON:
                return element.source in candidate.parents or any(
                    at < 0 or (at < index - self.lag and self.arms.get(at) == self.arms.get(index))
                    for at in self.lessons.get(element.source, ())
                )
            case Origin.ORIGINAL:
                return True


def provenance(story: Story, events: Sequence[Event]) -> list[ProvenanceRow]:
    """Return the shares of elements by source after the check: gallery, then the rest."""
    checked = checked_origins(story, events)
    layers = [r for r in story.records.values() if r.place and r.candidate.idea.elements]
    groups = (
        ("gallery", [r for r in layers if r.in_gallery]),
        ("rest", [r for r in layers if not r.in_gallery]),
    )
    return [_row(name, of, checked) for name, of in groups if of]


def share_rows(rows: Sequence[ProvenanceRow]) -> list[ShareRow]:
    """Return gallery less rest by origin; empty unless both are there."""
    by_group = {row.group: row for row in rows}
    if set(by_group) != {"gallery", "rest"}:
        return []
    gallery, rest = by_group["gallery"], by_group["rest"]
    found = []
    for origin in Origin:
        a, b = gallery.counts[origin], rest.counts[origin]
        low, high = difference_of_shares(a, gallery.n, b, rest.n)
        found.append(
            ShareRow(origin=str(origin), difference=a / gallery.n - b / rest.n, low=low, high=high)
        )
    return found


def checked_origins(story: Story, events: Sequence[Event]) -> dict[tuple[int, str], list[Origin]]:
    """Return (index, candidate) -> the origin of each element; unfounded ones become original."""
    config = read_setting(story).config
    context = _Context(
        lag=config.search.lag if config else 0,
        has_seed_lessons=bool(config and config.search.seed_lessons),
    )
    found: dict[tuple[int, str], list[Origin]] = {}
    for event in events:
        match event:
            case CandidateStarted(index=index, arm=arm):
                context.arms[index] = arm
            case CardsRead(index=index, cards=cards):
                context.cards[index] = frozenset(cards)
            case LessonWritten(index=index, candidate_id=id_):
                context.lessons[id_].append(index)
            case (
                CandidateProposed(index=index, candidate=candidate)
                | CandidateRepaired(index=index, candidate=candidate)
            ):
                found[index, candidate.id] = [
                    element.origin if context.holds(element, index, candidate) else Origin.ORIGINAL
                    for element in candidate.idea.elements
                ]
            case _:
                pass
    return found


def _row(
    group: str, records: list[Record], checked: dict[tuple[int, str], list[Origin]]
) -> ProvenanceRow:
    origins = [origin for r in records for origin in checked.get((r.index, r.id), ())]
    declared = [element.origin for r in records for element in r.candidate.idea.elements]
    counts, n = Counter(origins), len(origins)
    return ProvenanceRow(
        group=group,
        n=n,
        card=counts[Origin.CARD] / n,
        lesson=counts[Origin.LESSON] / n,
        original=counts[Origin.ORIGINAL] / n,
        n_unfounded=sum(is_ is not said for is_, said in zip(origins, declared, strict=True)),
        counts={origin: counts[origin] for origin in Origin},
    )
