"""What a campaign found, as rows for the report's tables: gallery, opponents, headline.

Selection is not evidence: an effect of the search is never shown where a claim could be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from move37.core.claims import Effect, VerdictKind
from move37.core.trial import Stage
from move37.insights.paired import Paired, compare
from move37.insights.setting import Setting
from move37.insights.story import Record, Story
from move37.insights.wording import shorten, signed


@dataclass(frozen=True, kw_only=True, slots=True)
class GalleryRow:
    """One layer that held up."""

    record: Record
    effect: Effect
    """Over the baseline on fresh seeds and text, noise units."""
    e_value: float
    level: float
    n_parameters: int | None
    state_bytes: int | None
    """Of one sequence in one layer."""
    relative_cpu: float | None
    """CPU seconds of a training over the baseline's, on the same fresh seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpponentRow:
    """The best of the gallery against one known mixer."""

    name: str
    words: str
    """`ahead`, `level`, `behind`, or why there is no comparison."""
    paired: Paired | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TestedRow:
    """A candidate that was promoted by the search and tested on fresh seeds."""

    record: Record
    search: Effect | None
    fresh: Effect | None
    held: bool
    reason: str


def gallery_rows(story: Story, baseline: Record | None) -> list[GalleryRow]:
    """Return the gallery, the largest effect first."""
    rows = []
    for record in story.gallery:
        test = record.test
        if test is None or test.effect is None:
            continue
        fresh = list(record.measurements(Stage.CONFIRM).values())
        rows.append(
            GalleryRow(
                record=record,
                effect=test.effect,
                e_value=math.nan if test.e_value is None else test.e_value,
                level=math.nan if test.level is None else test.level,
                n_parameters=fresh[0].cost.n_parameters if fresh else None,
                state_bytes=record.probes.state_bytes if record.probes else None,
                relative_cpu=_relative_cpu(record, baseline),
            )
        )
    return rows


def opponent_rows(story: Story, setting: Setting, best: Record | None) -> list[OpponentRow]:
    """Return the best of the gallery against every opponent; empty without a gallery."""
    if best is None:
        return []
    named = setting.config.opponents if setting.config else ()
    opponents = [
        r
        for r in story.records.values()
        if r.role and (r.role == "opponent" or r.name in named) and r.id != best.id
    ]
    return [_against(best, opponent, setting) for opponent in opponents]


def tested_rows(story: Story) -> list[TestedRow]:
    """Return every candidate that was tested on fresh seeds, held up or not, in order."""
    return [
        TestedRow(
            record=record,
            search=record.search_effect,
            fresh=record.test.effect,
            held=record.in_gallery,
            reason=record.verdict.reason if record.verdict else record.test.reason,
        )
        for record in story.searched
        if record.test
    ]


def best_searched(story: Story) -> Record | None:
    """Return the candidate with the largest search effect after the whole training."""
    found = [r for r in story.searched if r.search and r.search.fitness and r.search_effect]
    return max(found, key=lambda r: r.search_effect.mean if r.search_effect else 0.0, default=None)


def headline(rows: list[GalleryRow], tested: list[TestedRow], baseline_name: str) -> str:
    """Return what was found, in one sentence that claims no more than was tested."""
    if rows:
        best, name = rows[0], shorten(rows[0].record.name, 80)
        count = "One layer has" if len(rows) == 1 else f"{len(rows)} layers have"
        which = name if len(rows) == 1 else f"the best of them, {name},"
        return (
            f"{count} held up on fresh seeds and text: {which} is better than {baseline_name} of "
            f"equal size by {signed(best.effect.mean)} noise units on the mean of the search "
            f"tasks, 95 % interval {signed(best.effect.low)} to {signed(best.effect.high)}, "
            f"{best.effect.n_pairs} seeds."
        )
    if tested:
        n = len(tested)
        return (
            f"Nothing has held up on fresh seeds: {n} candidate{'s' * (n > 1)} looked better in "
            f"the search and {'was' if n == 1 else 'were'} tested again, none passed."
        )
    return "Nothing has held up on fresh seeds: no candidate has finished that test."


def meaning(rows: list[GalleryRow], level: float | None) -> str:
    """Return what the headline does and does not say."""
    if rows:
        share = f" of {level:.0%}" if level is not None else ""
        return (
            "The claim is about this preset: this size, this training, the mean over these tasks. "
            f"Over the whole gallery the expected share of false entries is kept at or below its "
            f"level{share}. It does not say that the layer is better on each task, at another "
            "size, or than the opponents: they have their own tables."
        )
    return (
        "Effects seen during the search are the best of many noisy numbers, so they are too good "
        "on average and nothing is claimed from them. An empty gallery does not show that no "
        "better layer exists: with few candidates, few fresh seeds or little training, real but "
        "small improvements are missed. A larger budget goes on where this campaign stopped."
    )


def _against(best: Record, opponent: Record, setting: Setting) -> OpponentRow:
    theirs = opponent.measurements(Stage.CONFIRM)
    failed = [t for t in opponent.at(Stage.CONFIRM) if t.measurement is None]
    if not theirs and failed:
        words = f"no result: {failed[0].outcome} on {len(failed)} fresh seeds"
        return OpponentRow(name=opponent.name, words=words)
    if not theirs:
        words = "not trained on the fresh seeds yet: the budget ended"
        return OpponentRow(name=opponent.name, words=words)
    if setting.preset is None:
        words = "trained, but the preset cannot be read, so there is no noise unit"
        return OpponentRow(name=opponent.name, words=words)
    paired = compare(best.measurements(Stage.CONFIRM), theirs, setting.preset.tasks)
    if paired is None:
        return OpponentRow(name=opponent.name, words="no seed in common yet")
    return OpponentRow(name=opponent.name, words=standing(paired.combined), paired=paired)


def standing(effect: Effect) -> str:
    """Say on which side of zero the interval lies."""
    if effect.low > 0:
        return "ahead"
    return "behind" if effect.high < 0 else "level"


def outcome_of(record: Record) -> str:
    """Return a candidate's standing as the plot colours it."""
    verdict = record.verdict
    if verdict is None:
        return "unfinished"
    if record.in_gallery:
        return "confirmed"
    if verdict.kind is VerdictKind.REFUTED or (record.test and record.test is verdict):
        return "not confirmed"
    return verdict.kind.value


def _relative_cpu(record: Record, baseline: Record | None) -> float | None:
    if baseline is None:
        return None
    ours, theirs = record.measurements(Stage.CONFIRM), baseline.measurements(Stage.CONFIRM)
    seeds = ours.keys() & theirs.keys()
    total = math.fsum(theirs[s].cost.cpu_seconds for s in seeds)
    return math.fsum(ours[s].cost.cpu_seconds for s in seeds) / total if total > 0 else None
