"""What somebody else's campaign published, as far as it can be said without measuring anything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from move37.insights.components import share_interval
from move37.insights.story import Record, Story

N_TOP = 12
N_ODDITIES = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """An imported campaign in numbers."""

    headline: str
    n_records: int
    n_scores: int
    n_programs: int
    n_results: int
    children: int
    """Records with a score whose parent has one too."""
    n_better: int
    better_low: float
    better_high: float
    """95 % interval of their share (Wilson), pairs taken as independent."""
    top: tuple[Record, ...]
    oddities: tuple[tuple[str, int], ...]
    """What was odd, and in how many records: the most frequent."""
    remarks: tuple[str, ...]
    files: str


def published(story: Story) -> Published | None:
    """Return what was imported; None for a campaign that ran here."""
    if story.started is None or not story.started.imported_from:
        return None
    facts = [(r, r.published) for r in story.records.values() if r.published]
    scores = {r.id: p.score for r, p in facts if p.score is not None}
    steps = [
        (scores[r.id], scores[parent])
        for r, _ in facts
        for parent in r.candidate.parents[:1]
        if r.id in scores and parent in scores
    ]
    n_better = sum(ours > theirs for ours, theirs in steps)
    low, high = share_interval(n_better, len(steps))
    odd = Counter(_kind(words) for _, p in facts for words in p.oddities)
    top = sorted((r for r, _ in facts if r.id in scores), key=lambda r: (-scores[r.id], r.id))
    machine = story.started.machine
    return Published(
        headline=_headline(story.started.imported_from, len(facts), len(scores)),
        n_records=len(facts),
        n_scores=len(scores),
        n_programs=sum(p.has_program for _, p in facts),
        n_results=sum(bool(p.results) for _, p in facts),
        children=len(steps),
        n_better=n_better,
        better_low=low,
        better_high=high,
        top=tuple(top[:N_TOP]),
        oddities=tuple(odd.most_common(N_ODDITIES)),
        remarks=tuple(remark for remark in machine.get("remarks", "").split("; ") if remark),
        files=machine.get("files", ""),
    )


def _headline(origin: str, n_records: int, n_scores: int) -> str:
    records = "One record" if n_records == 1 else f"{n_records:,} records"
    return f"{records} as {origin} published them, {n_scores:,} of them with a score."


def _kind(words: str) -> str:
    """Say what was odd without the number that makes every record's words its own."""
    return "".join("N" if c.isdigit() else c for c in words).replace("NN", "N")
