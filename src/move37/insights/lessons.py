"""What a campaign taught besides its gallery: failures, edits that help or do not, the noise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from move37.core.claims import VerdictKind
from move37.core.trial import Outcome, Stage
from move37.insights.paired import Spread, score, spread
from move37.insights.setting import Setting
from move37.insights.story import Record, Story

N_WORST = 5
TELLING = 3.0
"""An interval of a deviation whose ends are further apart than this agrees with anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureRow:
    """One way to fail, and who did."""

    kind: str
    count: int
    n_repaired: int
    example: Record | None
    """None where there is no candidate: the proposal failed."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseRow:
    """The deviation over seeds of one task: assumed by the preset, and the baseline's here."""

    task: str
    metric: str
    assumed: float
    measured: Spread | None
    """From the baseline's own seeds after the whole training."""
    words: str


def failure_rows(story: Story) -> list[FailureRow]:
    """Return the failures by kind, of proposals too; the most frequent first."""
    kinds: dict[str, list[tuple[Record, str]]] = defaultdict(list)
    for record in story.searched:
        if record.verdict and record.verdict.kind is VerdictKind.REJECTED:
            kinds[_failure_kind(record)].append((record, record.verdict.reason))
    rows = [
        FailureRow(
            kind=kind,
            count=len(found),
            n_repaired=sum(record.is_repaired for record, _ in found),
            example=found[0][0],
            reason=found[0][1],
        )
        for kind, found in kinds.items()
    ]
    rows += _unproposed_rows(story)
    return sorted(rows, key=lambda row: (-row.count, row.kind))


def _unproposed_rows(story: Story) -> list[FailureRow]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for event in story.unproposed:
        reasons[event.failure].append(event.reason)
    return [
        FailureRow(kind=kind, count=len(found), n_repaired=0, example=None, reason=found[0])
        for kind, found in reasons.items()
    ]


def worst_lessons(story: Story) -> list[Record]:
    """Return the candidates that were most clearly worse than the baseline, with a lesson."""
    found = [
        (record.search_effect.high, record)
        for record in story.searched
        if record.lesson and record.search_effect and record.search_effect.high < 0
    ]
    return [record for _, record in sorted(found, key=lambda pair: pair[0])[:N_WORST]]


def noise_rows(setting: Setting, baseline: Record | None) -> list[NoiseRow]:
    """Return the noise of each search task; empty when the preset cannot be read."""
    rows = []
    for task in setting.preset.tasks if setting.preset else ():
        groups = [
            [s for m in baseline.measurements(stage).values() if (s := score(m, task)) is not None]
            for stage in (Stage.SEARCH, Stage.CONFIRM)
            if baseline
        ]
        measured = spread(groups)
        rows.append(
            NoiseRow(
                task=task.name,
                metric=task.metric,
                assumed=task.noise,
                measured=measured,
                words=_noise_words(task.noise, measured),
            )
        )
    return rows


def _noise_words(assumed: float, measured: Spread | None) -> str:
    """Compare the unit with the baseline's own deviation, which no other mixer is taken out of."""
    if measured is None:
        return "fewer than two seeds of the baseline"
    if measured.low > assumed:
        return (
            "the baseline alone spreads more: part of it is the seed's doing on every layer, which "
            "pairing takes out; if not all is, effects look too large"
        )
    if measured.high < assumed:
        return "the baseline alone spreads less: effects look too small"
    if measured.high > TELLING * measured.low:
        return "too few seeds to tell"
    return "they agree"


def _failure_kind(record: Record) -> str:
    """Name the way a rejected candidate failed: repeat, probe by name, or the trial's outcome."""
    if record.novelty and not record.novelty.is_novel:
        return "not new"
    report = record.probes
    if report and not report.passed:
        failed = [v.name for v in report.verdicts if not v.passed]
        return f"probe: {failed[0]}" if failed else f"probing {_words(report.outcome)}"
    ended = [t.outcome for t in record.trials.values() if t.outcome is not Outcome.COMPLETED]
    return f"training {_words(ended[0])}" if ended else "other"


def _words(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")
