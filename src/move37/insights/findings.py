"""What a campaign found, as rows for the report's tables: gallery, opponents, headline.

Selection is not evidence: an effect of the search is never shown where a claim could be read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.trial import Stage
from move37.insights.costs import LayerCost, RelativeCost, layer_cost, on_front, relative_cost
from move37.insights.paired import Paired, compare
from move37.insights.setting import Setting
from move37.insights.story import Record, Story
from move37.insights.wording import shorten, signed

APART, FEW = "not told apart", "too few seeds"
LEAST_PAIRS = 4
"""Seeds of the first test on fresh ones; with fewer, an interval tells next to nothing."""


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
    cost: LayerCost
    on_front: bool = False
    """Whether no other entry has as large an effect for as low a cost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLayer:
    """What a known mixer has over the campaign's baseline: a measure for what an effect is."""

    name: str
    effect: Effect
    """On fresh seeds, mean over the search tasks, noise units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpponentRow:
    """The declared best of the gallery against one known mixer."""

    name: str
    words: str
    """`ahead`, `behind`, `not told apart`, or why there is no comparison."""
    paired: Paired | None = None
    seeds: str = ""
    """`4`, or `3 of 4 seeds` where the opponent has no result on some."""
    gaps: str = ""
    """What became of the other seeds: `1 crashed`; empty if there are none."""
    cost: RelativeCost = field(default_factory=RelativeCost)
    """Of the best over the opponent, on the seeds of the comparison."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestedRow:
    """A candidate that was promoted by the search and tested on fresh seeds."""

    record: Record
    search: Effect | None
    fresh: Effect | None
    held: bool
    """Whether it held up on fresh seeds, whatever became of it later."""
    refuted: bool
    """Whether it was refuted at the larger scale."""
    reason: str

    @property
    def words(self) -> str:
        """Return `yes`, `no`, or `yes; refuted at the larger scale`."""
        return ("yes" if self.held else "no") + self.refuted * "; refuted at the larger scale"


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
                cost=layer_cost(
                    record.trials.values(),
                    baseline.trials.values() if baseline else (),
                    record.probes,
                ),
            )
        )
    front = on_front([(row.effect.mean, row.cost.relative) for row in rows])
    return [replace(row, on_front=best) for row, best in zip(rows, front, strict=True)]


def opponent_rows(story: Story, setting: Setting, best: Record | None) -> list[OpponentRow]:
    """Return the declared best against every opponent; empty without a gallery."""
    if best is None:
        return []
    named = setting.config.opponents if setting.config else ()
    opponents = [
        r
        for r in story.records.values()
        if r.role and (r.role == "opponent" or r.name in named) and r.id != best.id
    ]
    return [_against(best, opponent, setting) for opponent in opponents]


def known_layers(story: Story, setting: Setting, baseline: Record | None) -> list[KnownLayer]:
    """Return what known layers have over the baseline on the fresh seeds, the largest first."""
    if baseline is None or setting.preset is None:
        return []
    theirs = baseline.measurements(Stage.CONFIRM)
    found = []
    for record in story.records.values():
        ours = record.measurements(Stage.CONFIRM)
        if not record.role or record.id == baseline.id or not ours:
            continue
        paired = compare(ours, theirs, setting.preset.tasks, planned=ours.keys())
        if paired is not None:
            found.append(KnownLayer(name=record.name, effect=paired.combined))
    return sorted(found, key=lambda layer: -layer.effect.mean)


def declared_best(gallery: Iterable[GalleryRow]) -> Record | None:
    """Return the entry with the largest effect in the search, of equal ones the earlier.

    It is what meets the opponents, on fresh seeds: the largest effect on those would be biased.
    """
    return min((row.record for row in gallery), key=_by_search, default=None)


def _by_search(record: Record) -> tuple[float, int, int]:
    seen = record.search_effect.mean if record.search_effect else -math.inf
    return -seen, record.index, record.place


def tested_rows(story: Story) -> list[TestedRow]:
    """Return every candidate that was tested on fresh seeds, held up or not, in order."""
    return [
        TestedRow(
            record=record,
            search=record.search_effect,
            fresh=record.test.effect,
            held=record.test.kind is VerdictKind.CONFIRMED,
            refuted=record.standing is VerdictKind.REFUTED,
            reason=_why(record, record.test),
        )
        for record in story.searched
        if record.test
    ]


def _why(record: Record, test: Verdict) -> str:
    """The test's own reason; only a refutation at the larger scale says more about it."""
    last = record.verdict
    return last.reason if last and last.kind is VerdictKind.REFUTED else test.reason


def best_searched(story: Story) -> Record | None:
    """Return the candidate with the largest search effect after the whole training."""
    found = [r for r in story.searched if r.search and r.search.fitness and r.search_effect]
    return max(found, key=lambda r: r.search_effect.mean if r.search_effect else 0.0, default=None)


def headline(rows: list[GalleryRow], tested: list[TestedRow], baseline_name: str) -> str:
    """Return what was found, in one sentence that claims no more than was tested."""
    if rows:
        best, name = rows[0], shorten(rows[0].record.name, 80)
        count = "One layer has" if len(rows) == 1 else f"{len(rows)} layers have"
        which = name if len(rows) == 1 else f"the one with the largest effect there, {name},"
        return (
            f"{count} held up on fresh seeds and text: {which} is better than {baseline_name} of "
            f"equal size by {signed(best.effect.mean)} noise units on the mean of the search "
            f"tasks, 95 % interval {signed(best.effect.low)} to {signed(best.effect.high)}, "
            f"{best.effect.n_pairs} seeds."
        )
    n_refuted = sum(row.refuted for row in tested)
    if n_refuted:
        n_held = sum(row.held for row in tested)
        return (
            f"Nothing is left in the gallery: of {len(tested)} tested on fresh seeds {n_held} held "
            f"up, and {n_refuted} of these {'was' if n_refuted == 1 else 'were'} refuted at the "
            "larger scale."
        )
    if tested:
        n = len(tested)
        return (
            f"Nothing has held up on fresh seeds: {n} candidate{'s' * (n > 1)} looked better in "
            f"the search and {'was' if n == 1 else 'were'} tested again, none passed."
        )
    return "Nothing has held up on fresh seeds: no candidate has finished that test."


def meaning(rows: list[GalleryRow], tested: list[TestedRow], level: float | None) -> str:
    """Return what the headline does and does not say."""
    if rows:
        share = f" of {level:.0%}" if level is not None else ""
        return (
            "The claim is about this preset: this size, this training, the mean over these tasks. "
            f"{_over_whom(tested)} the expected share of false entries is kept at or below its "
            f"level{share}. It does not say that the layer is better on each task, at another "
            "size, or than the opponents: they have their own tables."
        )
    return (
        "Effects seen during the search are the best of many noisy numbers, so they are too good "
        "on average and nothing is claimed from them. An empty gallery does not show that no "
        "better layer exists: with few candidates, few fresh seeds or little training, real but "
        "small improvements are missed. A larger budget goes on where this campaign stopped."
    )


def _over_whom(tested: list[TestedRow]) -> str:
    """Say whom the control of false entries is about: all that were ever admitted."""
    n_refuted = sum(row.refuted for row in tested)
    if not n_refuted:
        return "Over the whole gallery"
    n_held = sum(row.held for row in tested)
    return (
        f"Over all {n_held} that were ever admitted, the {n_refuted} refuted at the larger scale "
        "included (not over those that are left),"
    )


def _against(best: Record, opponent: Record, setting: Setting) -> OpponentRow:
    ours, theirs = best.measurements(Stage.CONFIRM), opponent.measurements(Stage.CONFIRM)
    planned = frozenset(best.test.seeds if best.test else ()) or frozenset(ours)
    tried = {t.spec.seed for t in opponent.at(Stage.CONFIRM)} & planned
    if not tried:
        words = f"not trained on the fresh seeds yet, 0 of {len(planned)} seeds: the budget ended"
        return OpponentRow(name=opponent.name, words=words)
    if setting.preset is None and tried & theirs.keys():
        words = "trained, but the preset cannot be read, so there is no noise unit"
        return OpponentRow(name=opponent.name, words=words)
    tasks = setting.preset.tasks if setting.preset else ()
    paired = compare(ours, theirs, tasks, planned=planned)
    n_missing = paired.combined.missing if paired else len(planned)
    gaps = _gaps(opponent, planned, n_missing)
    if paired is None:
        words = f"no result, 0 of {len(planned)} seeds: {gaps}"
        return OpponentRow(name=opponent.name, words=words)
    return OpponentRow(
        name=opponent.name,
        words=standing(paired.combined),
        paired=paired,
        seeds=_seed_words(paired.combined),
        gaps=gaps,
        cost=relative_cost(ours, theirs, (best.probes, opponent.probes)),
    )


def _seed_words(effect: Effect) -> str:
    n, m = effect.n_pairs, effect.n_pairs + effect.missing
    return f"{n} of {m} seeds" if effect.missing else str(n)


def _gaps(record: Record, planned: Collection[int], n_missing: int) -> str:
    """Say what became of the seeds without a pair: `2 crashed, 1 not trained`."""
    ended = {t.spec.seed: t for t in record.at(Stage.CONFIRM)}
    counts = Counter(
        ended[seed].outcome.value.replace("_", " ") if seed in ended else "not trained"
        for seed in sorted(planned)
        if seed not in ended or ended[seed].measurement is None
    )
    counts["without a score"] = n_missing - counts.total()
    return ", ".join(f"{n} {words}" for words, n in counts.items() if n)


def standing(effect: Effect) -> str:
    """Say on which side of zero the interval lies; one that holds zero does not show equality."""
    if effect.low > 0:
        return "ahead"
    if effect.high < 0:
        return "behind"
    return APART if effect.n_pairs >= LEAST_PAIRS else f"{APART}, {FEW}"


def outcome_of(record: Record) -> str:
    """Return a candidate's standing as the plot colours it."""
    verdict = record.verdict
    if verdict is None:
        return "unfinished"
    if record.in_gallery:
        return "confirmed"
    if record.test and record.test is verdict:
        return "not confirmed"
    return verdict.kind.value
