"""What a campaign did not find, and what it could not have found: said, never left to silence."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from move37.core.claims import VerdictKind
from move37.core.trial import Stage
from move37.insights.findings import GalleryRow, OpponentRow, TestedRow, standing
from move37.insights.story import Record, Story
from move37.insights.wording import signed

SEEN_BY_FOUR = ((3.0, "about 6 of 10"), (1.0, "7 of 100"))
"""True effect in deviations of one paired difference -> how often four seeds find it, at the first
level; simulated, docs/evidence.md."""


def missed(
    story: Story,
    gallery: Sequence[GalleryRow],
    tested: Sequence[TestedRow],
    opponents: Sequence[OpponentRow],
) -> list[str]:
    """Return sentences; empty for a campaign that searched nothing."""
    if not story.searched:
        return []
    found = [
        _not_held(tested),
        _refuted(tested),
        _not_tested(story),
        _stopped_early(story),
        _tasks_without(gallery),
        _not_ahead(opponents),
        _too_small(tested),
        _not_larger(gallery),
    ]
    return [sentence for sentence in found if sentence]


def _not_held(tested: Sequence[TestedRow]) -> str:
    failed = [row for row in tested if not row.held]
    if not failed:
        return ""
    drops = [row.search.mean - row.fresh.mean for row in failed if row.search and row.fresh]
    drop = (
        f"; their effect was {signed(statistics.median(drops))} noise units larger in the search "
        "than on fresh seeds, by the median"
        if drops
        else ""
    )
    return f"{len(failed)} of {len(tested)} tested on fresh seeds did not hold up{drop}."


def _refuted(tested: Sequence[TestedRow]) -> str:
    n = sum(row.refuted for row in tested)
    if not n:
        return ""
    return (
        f"{n} held up on fresh seeds and {'was' if n == 1 else 'were'} refuted at the larger scale."
    )


def _not_tested(story: Story) -> str:
    waiting = [
        r for r in story.searched
        if r.verdict and r.verdict.kind is VerdictKind.PROMOTED and not r.test
    ]  # fmt: skip
    if not waiting:
        return ""
    return (
        f"{len(waiting)} promoted by the search were never tested on fresh seeds: whether they "
        "hold up is not known."
    )


def _stopped_early(story: Story) -> str:
    measured = [r for r in story.searched if r.search_effect]
    short = [r for r in measured if r.search and not r.search.fitness]
    if not short:
        return ""
    return (
        f"{len(short)} of {len(measured)} measured candidates were stopped before the whole "
        "training; some of them may have become good later."
    )


def _tasks_without(gallery: Sequence[GalleryRow]) -> str:
    sides = [r.record.test.task_effects or {} for r in gallery if r.record.test]
    tasks = dict.fromkeys(task for effects in sides for task in effects)
    none = [
        task for task in tasks if not any(task in e and standing(e[task]) == "ahead" for e in sides)
    ]
    if not none:
        return ""
    return f"No layer of the gallery is shown to be better on {', '.join(none)} taken alone."


def _not_ahead(opponents: Sequence[OpponentRow]) -> str:
    compared = [row for row in opponents if row.paired]
    others = [row.name for row in compared if row.words != "ahead"]
    if not others:
        return ""
    return f"The declared best is not shown to be better than {', '.join(others)}."


def _too_small(tested: Sequence[TestedRow]) -> str:
    deviations = [
        found
        for row in tested
        if row.record.test and (found := _pair_deviation(row.record)) is not None
    ]
    if not deviations:
        return ""
    one = statistics.median(deviations)
    chances = ", ".join(
        f"{times * one:.2g} noise units in {words}" for times, words in SEEN_BY_FOUR
    )
    return (
        f"Small improvements are missed: paired differences on fresh seeds scatter by {one:.2g}, "
        f"so the first test finds, with four seeds, a true effect of {chances} cases."
    )


def _pair_deviation(record: Record) -> float | None:
    """Read the deviation of one paired difference back from the test's interval."""
    from scipy.special import stdtrit

    effect = record.test.effect if record.test else None
    n = effect.n_pairs if effect else 0
    if effect is None or n < 2 or not record.measurements(Stage.CONFIRM):
        return None
    reach = float(stdtrit(n - 1, (1 + effect.confidence) / 2))
    return (effect.high - effect.low) / 2 / reach * n**0.5


def _not_larger(gallery: Sequence[GalleryRow]) -> str:
    small = [
        r for r in gallery
        if r.record.verdict and r.record.verdict.kind is not VerdictKind.VERIFIED
    ]  # fmt: skip
    if not small:
        return ""
    return (
        f"{len(small)} of {len(gallery)} in the gallery were not verified at a larger size: that "
        "they scale is not known (move37 verify)."
    )
