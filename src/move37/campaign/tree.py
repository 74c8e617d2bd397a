"""Lineage in the terminal, and what differs between two candidates. Text only; bounded."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from move37.core.claims import VerdictKind
from move37.core.trial import Stage
from move37.insights.wording import effect_words
from move37.memory.lineage import Lineage
from move37.memory.state import Entry, State

MAX_INDENT = 60
MAX_DIFF_LINES = 2_000
MAX_COMPARED = 20_000
"""Lines of one source: difflib's time grows with their product."""
MEASURED = {
    Stage.SEARCH: "in search",
    Stage.CONFIRM: "on fresh seeds",
    Stage.VERIFY: "at the larger scale",
}
"""What an effect rests on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One line of the tree."""

    lead: str
    """Drawn in front: the lines of descent."""
    id: str
    name: str
    words: str
    """Standing and effect, or the published score."""
    kind: str
    """For the colour: kind of the verdict, role, or empty."""
    n_hidden: int = 0
    """Of a line that stands for many: how many candidates it leaves out."""


def branches(state: State, *, most: int, start: str | None = None) -> Iterator[Branch]:
    """Draw the lineage along first parents, the best child first, at most so many lines.

    A crossover's line names its other parent.

    Each line that fits is drawn whole; where children do not fit, one line says how many.
    Cost: linear in the candidates, and a sort of each family.
    """
    candidates = state.candidates
    first = {id_: parents[:1] for id_, parents in state.parents.items()}
    lineage = Lineage({id_: [p for p in of if p in candidates] for id_, of in first.items()})
    roots = [start] if start else [*lineage.roots, *_circles(lineage, candidates)]
    waiting = [(id_, "", "") for id_ in reversed(roots)]
    seen: set[str] = set()
    n_drawn = 0
    while waiting:
        id_, lead, below = waiting.pop()
        if id_ in seen:
            continue
        seen.add(id_)
        if n_drawn >= most:
            yield Branch(lead="", id="", name="", words="", kind="",
                         n_hidden=len(candidates) - n_drawn)  # fmt: skip
            return
        n_drawn += 1
        yield _branch(candidates[id_], lead)
        children = sorted(lineage.children(id_), key=lambda c: _rank(candidates[c]))
        deep = len(below) >= MAX_INDENT
        for k in range(len(children) - 1, -1, -1):
            last = k == len(children) - 1
            mark, pad = ("└ ", "  ") if last else ("├ ", "│ ")
            onward = below if deep else below + pad
            waiting.append((children[k], below + mark, onward))


def _circles(lineage: Lineage, candidates: dict[str, Entry]) -> list[str]:
    """Return who has no root above it: a damaged or foreign record may close a circle."""
    reached: set[str] = set()
    waiting = list(lineage.roots)
    while waiting:
        id_ = waiting.pop()
        if id_ not in reached:
            reached.add(id_)
            waiting.extend(lineage.children(id_))
    return [id_ for id_ in candidates if id_ not in reached]


def _rank(entry: Entry) -> tuple[float, int]:
    published = entry.published.score if entry.published else None
    fitness = entry.fitness.value if entry.fitness else None
    known = published if published is not None else fitness
    return (-known if known is not None else float("inf"), entry.index)


def _branch(entry: Entry, lead: str) -> Branch:
    verdict = entry.verdict
    words, kind = entry.role, entry.role
    if entry.published:
        score = entry.published.score
        words = f"#{entry.published.label}" + (f" {score:.3f}" if score is not None else "")
        kind = entry.role if entry.role == "root" else ""
    elif verdict:
        rests_on = "" if verdict.stage is Stage.SEARCH else f" {MEASURED[verdict.stage]}"
        effect = f" {effect_words(verdict.effect)}{rests_on}" if verdict.effect else ""
        is_root = verdict.kind is VerdictKind.EXPLORED and entry.role == "root"
        words = "root" if is_root else f"{verdict.kind}{effect}"
        kind = str(verdict.kind)
    if entry.role == "proposed" and (others := entry.candidate.parents[1:]):
        words += f", with {' and '.join(others)}"
    return Branch(lead=lead, id=entry.id, name=entry.candidate.idea.name, words=words, kind=kind)


def element_changes(first: Entry, second: Entry) -> tuple[list[str], list[str]]:
    """Return the design elements that only the first has, and those that only the second has."""
    ours = {e.name for e in first.candidate.idea.elements}
    theirs = {e.name for e in second.candidate.idea.elements}
    return sorted(ours - theirs), sorted(theirs - ours)


def source_diff(first: Entry, second: Entry) -> list[str]:
    """Return a unified diff of the two sources, cut where it grows too long."""
    before, after = (e.candidate.source.splitlines() for e in (first, second))
    if max(len(before), len(after)) > MAX_COMPARED:
        return [f"sources of more than {MAX_COMPARED} lines are not compared"]
    lines = list(difflib.unified_diff(before, after, first.id, second.id, lineterm="", n=3))
    if len(lines) > MAX_DIFF_LINES:
        return [*lines[:MAX_DIFF_LINES], f"… {len(lines) - MAX_DIFF_LINES} more lines"]
    return lines
