"""What verification at a larger scale found, as rows: read from the ledger, judged elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from move37.core.claims import Verdict
from move37.core.config import Preset, TaskSetting
from move37.core.trial import Measurement, Stage, Trial
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
    """`ahead`, `behind`, `not told apart` on the search's tasks, or why there is no comparison."""
    learning_rate: float | None
    search: Paired | None = None
    """On the search's tasks, noise units."""
    exam: Paired | None = None
    """On tasks that the search never saw."""
    failed: str = ""
    """What became of seeds without a result: `1 crashed`; `1 own crashed` is the candidate's."""
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
    reached = [v.verdict for v in record.verdicts if v.verdict.stage is Stage.VERIFY]
    if not reached:
        return None
    others = [r for r in story.records.values() if r.role and r.id != baseline.id]
    planned = _planned(preset, record, reached[-1])
    tried = [r for r in others if _was_tried(preset, r, planned)]
    rows = [_row(preset, record, r, planned, is_baseline=r is baseline) for r in (baseline, *tried)]
    return Verified(
        record=record,
        verdict=reached[-1],
        learning_rate=_learning_rate(preset, record, planned),
        scale=preset.verification.scale,
        n_seeds=preset.verification.n_seeds,
        rows=tuple(rows),
        task_names=tuple(task.name for task in preset.tasks),
        exam_names=tuple(task.name for task in preset.verification.exam),
    )


def _was_tried(preset: Preset, record: Record, planned: Collection[int]) -> bool:
    """Whether a layer trained on these seeds, or tried to and completed no tuning run."""
    if not any(spec.stage is Stage.VERIFY for spec in record.trials):
        return False
    whole = _whole_trials(preset, record)
    return not whole or any(trial.spec.seed in planned for trial in whole)


def _row(
    preset: Preset, record: Record, other: Record, planned: Collection[int], *, is_baseline: bool
) -> LargerRow:
    ours, theirs = _whole(preset, record), _whole(preset, other)
    search = _compare(ours, theirs, preset.tasks, planned)
    gaps = [_gaps(preset, other, planned), _gaps(preset, record, planned, "own ")]
    return LargerRow(
        name=other.name,
        is_baseline=is_baseline,
        words=standing(search.combined) if search else "no result",
        learning_rate=_learning_rate(preset, other, planned),
        search=search,
        exam=_compare(ours, theirs, preset.verification.exam, planned),
        failed=", ".join(words for words in gaps if words),
        cost=relative_cost(ours, theirs, (record.probes, other.probes)),
    )


def _compare(
    ours: dict[int, Measurement],
    theirs: dict[int, Measurement],
    tasks: tuple[TaskSetting, ...],
    planned: Collection[int],
) -> Paired | None:
    return compare(ours, theirs, tasks, planned=planned) if tasks else None


def _whole(preset: Preset, record: Record) -> dict[int, Measurement]:
    """Seed -> measurement of whole trainings at the larger scale; tuning runs left out."""
    return {t.spec.seed: t.measurement for t in _whole_trials(preset, record) if t.measurement}


def _whole_trials(preset: Preset, record: Record) -> list[Trial]:
    return [
        trial
        for spec, trial in record.trials.items()
        if spec.stage is Stage.VERIFY and _is_whole(preset, spec.rung)
    ]


def _planned(preset: Preset, record: Record, verdict: Verdict) -> tuple[int, ...]:
    """Seeds that the verdict is about: those it rests on, and those without a result."""
    failed = {t.spec.seed for t in _whole_trials(preset, record) if t.measurement is None}
    return tuple(sorted({*verdict.seeds, *failed}))


def _gaps(preset: Preset, record: Record, planned: Collection[int], whose: str = "") -> str:
    """Say how whole trainings without a result ended: `1 crashed, 2 out of time`."""
    ended = Counter(
        trial.outcome.value.replace("_", " ")
        for trial in _whole_trials(preset, record)
        if trial.measurement is None and trial.spec.seed in planned
    )
    return ", ".join(f"{n} {whose}{kind}" for kind, n in sorted(ended.items()))


def _is_whole(preset: Preset, rung: int) -> bool:
    return rung >= len(preset.verification.learning_rates)


def _learning_rate(preset: Preset, record: Record, planned: Collection[int]) -> float | None:
    """Return the rate that tuning chose for these seeds; None if no whole training was begun."""
    rates = preset.verification.learning_rates
    rungs = [t.spec.rung for t in _whole_trials(preset, record) if t.spec.seed in planned]
    return rates[rungs[0] % len(rates)] * preset.training.learning_rate if rungs else None
