"""What each design element is worth among matched relatives: layers that differ in nothing else.

A pair is a child and its parent, or two children of one parent, whose declared elements differ in
exactly one. Both were trained to the end on the same search seeds; their difference is paired seed
by seed. Pairs of one family (one parent) are averaged first, families are the sample: a parent's
luck is in all of its pairs. A parent was chosen for its result, so differences against parents are
a little too low on average; those between siblings are not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from move37.core.claims import Effect
from move37.core.config import TaskSetting
from move37.core.trial import Measurement, Stage
from move37.insights.components import classes_in, false_discovery_rates
from move37.insights.paired import compare, paired_effect, paired_p_value
from move37.insights.setting import Setting
from move37.insights.story import Record, Story

REMOVED = "without-"
LEAST_FAMILIES = 2
"""Families below which an element is shown without a test."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchedPair:
    """Two relatives, one with the element and one without."""

    element: str
    having: str
    lacking: str
    """Ids of candidates."""
    family: str
    """Id of the parent that both come from, or that one of them is."""
    are_siblings: bool
    difference: float
    """Having less lacking, mean of the tasks, noise units."""
    n_seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchedRow:
    """What one element, or class of elements, is worth."""

    name: str
    effect: Effect
    """Over families, noise units; one family alone has the noise floor's interval."""
    n_pairs: int
    n_families: int
    p_value: float
    q_value: float | None
    """False-discovery rate among the rows that are tested; None with one family: not tested."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """Effects of elements from matched relatives."""

    elements: tuple[MatchedRow, ...]
    classes: tuple[MatchedRow, ...]
    """The same pairs, by class of the element: fewer rows, more pairs each."""
    n_pairs: int
    n_siblings: int
    """Pairs of siblings; the others are of child and parent."""


def matched(story: Story, setting: Setting) -> Matched | None:
    """Return the effects; None where the preset, and so the noise unit, cannot be read."""
    if setting.preset is None:
        return None
    rungs = setting.preset.rungs
    last = next(k for k, rung in enumerate(rungs) if rung.steps == rungs[-1].steps)
    pairs = matched_pairs(story, setting.preset.tasks, last_rung=last)
    return Matched(
        elements=rows_of(pairs, lambda pair: [pair.element]),
        classes=rows_of(pairs, lambda pair: sorted(classes_in([pair.element]))),
        n_pairs=len(pairs),
        n_siblings=sum(pair.are_siblings for pair in pairs),
    )


def matched_pairs(
    story: Story, tasks: Sequence[TaskSetting], *, last_rung: int
) -> list[MatchedPair]:
    """Return every pair that differs in one declared element and was trained to the end.

    Of several siblings that declare the same, the first stands for all. Linear in the elements.
    """
    whole = {r.id: _whole(r, last_rung) for r in story.records.values()}
    families: defaultdict[str, dict[frozenset[str], Record]] = defaultdict(dict)
    children = [r for r in story.records.values() if r.place and r.candidate.parents]
    for child in children:
        if whole[child.id] and (names := _declared(child)):
            families[child.candidate.parents[0]].setdefault(names, child)
    found = []
    for parent, family in families.items():
        for names, child in family.items():
            for name in sorted(names):
                rest = names - {name}
                other = family.get(rest) if rest else story.records.get(parent)
                if other is not None:
                    pair = _pair(name, child, other, parent, whole, tasks)
                    found += [pair] if pair else []
    return found


def rows_of(
    pairs: Iterable[MatchedPair], keys: Callable[[MatchedPair], Iterable[str]]
) -> tuple[MatchedRow, ...]:
    """Return one row a key: tested ones first, by false-discovery rate."""
    groups: defaultdict[str, list[MatchedPair]] = defaultdict(list)
    for pair in pairs:
        for key in keys(pair):
            groups[key].append(pair)
    rows = [_row(name, group) for name, group in groups.items()]
    tested = [row for row in rows if row.n_families >= LEAST_FAMILIES]
    rates = false_discovery_rates([row.p_value for row in tested])
    q_values = {row.name: q for row, q in zip(tested, rates, strict=True)}
    rows = [
        MatchedRow(
            name=row.name,
            effect=row.effect,
            n_pairs=row.n_pairs,
            n_families=row.n_families,
            p_value=row.p_value,
            q_value=q_values.get(row.name),
        )
        for row in rows
    ]
    return tuple(
        sorted(rows, key=lambda r: (r.q_value is None, r.q_value, -abs(r.effect.mean), r.name))
    )


def _row(name: str, pairs: Sequence[MatchedPair]) -> MatchedRow:
    families: defaultdict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        families[pair.family].append(pair.difference)
    means = [math.fsum(of) / len(of) for of in families.values()]
    return MatchedRow(
        name=name,
        effect=paired_effect(means),
        n_pairs=len(pairs),
        n_families=len(means),
        p_value=paired_p_value(means),
        q_value=None,
    )


def _pair(
    name: str,
    child: Record,
    other: Record,
    parent: str,
    whole: dict[str, dict[int, Measurement]],
    tasks: Sequence[TaskSetting],
) -> MatchedPair | None:
    ours, theirs = whole[child.id], whole.get(other.id, {})
    shared = ours.keys() & theirs.keys()
    found = compare(ours, theirs, tasks, planned=shared)
    if found is None:
        return None
    is_removal = name.startswith(REMOVED)
    having, lacking = (other, child) if is_removal else (child, other)
    return MatchedPair(
        element=name.removeprefix(REMOVED),
        having=having.id,
        lacking=lacking.id,
        family=parent,
        are_siblings=other.id != parent,
        difference=-found.combined.mean if is_removal else found.combined.mean,
        n_seeds=found.combined.n_pairs,
    )


def _declared(record: Record) -> frozenset[str]:
    return frozenset(element.name for element in record.candidate.idea.elements)


def _whole(record: Record, last_rung: int) -> dict[int, Measurement]:
    """Seed -> measurement after the whole training of the search."""
    return {
        spec.seed: trial.measurement
        for spec, trial in record.trials.items()
        if spec.stage is Stage.SEARCH and spec.rung == last_rung and trial.measurement
    }
