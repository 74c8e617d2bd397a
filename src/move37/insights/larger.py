"""What verification at a larger scale found, as rows: read from the ledger, judged elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from move37.core.claims import Verdict, VerdictKind
from move37.core.config import Preset, TaskSetting
from move37.core.trial import Measurement, Stage
from move37.insights.costs import RelativeCost, relative_cost
from move37.insights.findings import standing
from move37.insights.paired import Paired, compare
from move37.insights.setting import Setting
from move37.insights.story import Record, Story


@dataclass(frozen=True, kw_only=True, slots=True)
class LargerRow:
    """The candidate against one layer at the larger scale."""

    name: str
    is_baseline: bool
    words: str
    """`ahead`, `level`, `behind` on the search's tasks, or why there is no comparison."""
    learning_rate: float | None
    search: Paired | None = None
    """On the search's tasks, noise units."""
    exam: Paired | None = None
    """On tasks that the search never saw."""
    failed: str = ""
    """What became of seeds without a result: `1 crashed`."""
    cost: RelativeCost = field(default_factory=RelativeCost)
    """Of the candidate over this layer, at the larger scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """One candidate that was tried at the larger scale."""

    record: Record
    verdict: Verdict
    learning_rate: float | None
    scale: int
    n_seeds: int
    rows: tuple[LargerRow, ...]
    task_names: tuple[str, ...]
    exam_names: tuple[str, ...]


def verified_rows(story: Story, setting: Setting, baseline: Record | None) -> list[Verified]:
    """Return everyone that was verified or refuted, in order; empty where the preset is unknown."""
    preset = setting.preset
    if preset is None or baseline is None:
        return []
    return [
        found
        for record in story.searched
        if (found := _verified(story, preset, record, baseline)) is not None
    ]


def _verified(story: Story, preset: Preset, record: Record, baseline: Record) -> Verified | None:
    reached = [
        v.verdict
        for v in record.verdicts
        if v.verdict.kind in (VerdictKind.VERIFIED, VerdictKind.REFUTED)
    ]
    if not reached:
        return None
    others = [r for r in story.records.values() if r.role and r.id != baseline.id]
    tried = [r for r in others if any(spec.stage is Stage.VERIFY for spec in r.trials)]
    rows = [_row(preset, record, other, other is baseline) for other in (baseline, *tried)]
    return Verified(
        record=record,
        verdict=reached[-1],
        learning_rate=_learning_rate(preset, record),
        scale=preset.verification.scale,
        n_seeds=preset.verification.n_seeds,
        rows=tuple(rows),
        task_names=tuple(task.name for task in preset.tasks),
        exam_names=tuple(task.name for task in preset.verification.exam),
    )


def _row(preset: Preset, record: Record, other: Record, is_baseline: bool) -> LargerRow:  # noqa: FBT001 - a column
    ours, theirs = _whole(preset, record), _whole(preset, other)
    planned = sorted(ours)
    search = _compare(ours, theirs, preset.tasks, planned)
    ended = Counter(
        t.outcome.value.replace("_", " ")
        for spec, t in other.trials.items()
        if spec.stage is Stage.VERIFY and _is_whole(preset, spec.rung) and t.measurement is None
    )
    return LargerRow(
        name=other.name,
        is_baseline=is_baseline,
        words=standing(search.combined) if search else "no result",
        learning_rate=_learning_rate(preset, other),
        search=search,
        exam=_compare(ours, theirs, preset.verification.exam, planned),
        failed=", ".join(f"{n} {kind}" for kind, n in sorted(ended.items())),
        cost=relative_cost(ours, theirs),
    )


def _compare(
    ours: dict[int, Measurement],
    theirs: dict[int, Measurement],
    tasks: tuple[TaskSetting, ...],
    planned: list[int],
) -> Paired | None:
    return compare(ours, theirs, tasks, planned=planned) if tasks else None


def _whole(preset: Preset, record: Record) -> dict[int, Measurement]:
    """Seed -> measurement of whole trainings at the larger scale; tuning runs left out."""
    return {
        spec.seed: trial.measurement
        for spec, trial in record.trials.items()
        if spec.stage is Stage.VERIFY and _is_whole(preset, spec.rung) and trial.measurement
    }


def _is_whole(preset: Preset, rung: int) -> bool:
    return rung >= len(preset.verification.learning_rates)


def _learning_rate(preset: Preset, record: Record) -> float | None:
    """Return the rate that tuning chose; None if no whole training was begun."""
    rates = preset.verification.learning_rates
    rungs = [s.rung for s in record.trials if s.stage is Stage.VERIFY and _is_whole(preset, s.rung)]
    return rates[rungs[0] % len(rates)] * preset.training.learning_rate if rungs else None
