"""Paired effects of a candidate over a baseline of equal size, per task and combined.

A pair is one seed: candidate and baseline trained from the same seed, on the same data in the same
order, and scored on the same held-out windows. Scores are oriented first (nats are negated), so a
positive effect is an improvement. The combined difference of a seed is the mean over tasks of
difference / noise, so that no task rules by its scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from move37.core.claims import Effect
from move37.core.config import TaskSetting
from move37.core.trial import TaskScore, Trial
from move37.evidence.inputs import EvidenceError, finite_array, finite_number, positive_number
from move37.evidence.intervals import bootstrap_interval, t_interval

UNPAIRED_FLOOR = math.sqrt(2.0)
"""Deviation of one difference on one task: each side has deviation 1, what a seed does to both
alike left out. Used where fewer than two pairs exist; wide for a mean over tasks."""

SeedScores = Mapping[int, float]
"""Seed -> oriented score of one task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Everything the paired design says about one candidate at one rung."""

    combined: Effect
    """Mean over tasks of the standardised difference; unit `noise`."""
    tasks: dict[str, Effect]
    """Per task, unit `noise`; multiply by the task's noise for nats or accuracy."""
    differences: dict[int, float]
    """Seed -> combined difference, complete seeds only, in rising order of seed."""
    missing: tuple[int, ...]
    """Seeds without a complete pair."""


def oriented(score: TaskScore, metric: Literal["nats", "accuracy"]) -> float:
    """Return the metric such that larger is better: minus nats, or accuracy.

    Raises:
        EvidenceError: the metric is not finite.
    """
    value = -score.nats if metric == "nats" else score.accuracy
    return finite_number(value, metric)


def oriented_scores(
    trials: Iterable[Trial], tasks: Sequence[TaskSetting]
) -> dict[str, dict[int, float]]:
    """Task -> seed -> oriented score of the completed trials of one candidate at one rung.

    Raises:
        EvidenceError: trials of several candidates, stages or rungs, or two trials of one seed.
    """
    trials = list(trials)
    keys = {(t.spec.candidate_id, t.spec.stage, t.spec.rung) for t in trials}
    seeds = [t.spec.seed for t in trials]
    if len(keys) > 1 or len(set(seeds)) < len(seeds):
        raise EvidenceError(
            f"scores must come from one candidate at one stage and rung, once per seed; got "
            f"{sorted(keys)} with seeds {sorted(seeds)}"
        )
    scores: dict[str, dict[int, float]] = {task.name: {} for task in tasks}
    for trial in trials:
        for task in tasks:
            if trial.measurement and task.name in trial.measurement.scores:
                score = trial.measurement.scores[task.name]
                scores[task.name][trial.spec.seed] = oriented(score, task.metric)
    return scores


def paired_differences(
    candidate: SeedScores, baseline: SeedScores, *, planned: Iterable[int] = ()
) -> tuple[dict[int, float], tuple[int, ...]]:
    """Seed -> candidate minus baseline in rising order of seed, and the seeds without a pair.

    Args:
        candidate: oriented scores by seed.
        baseline: oriented scores by seed.
        planned: seeds that should have been there; a seed on one side only counts as planned.

    Raises:
        EvidenceError: a score is not finite.
    """
    finite_array(candidate.values(), "candidate scores")
    finite_array(baseline.values(), "baseline scores")
    wanted = sorted({*candidate, *baseline, *planned})
    pairs = {s: candidate[s] - baseline[s] for s in wanted if s in candidate and s in baseline}
    return pairs, tuple(seed for seed in wanted if seed not in pairs)


def paired_effect(
    candidate: SeedScores,
    baseline: SeedScores,
    *,
    floor: float,
    planned: Iterable[int] = (),
    unit: str = "noise",
    confidence: float = 0.95,
    method: Literal["t", "bootstrap"] = "t",
) -> Effect:
    """Return the mean paired difference with its interval.

    Args:
        candidate: oriented scores by seed.
        baseline: oriented scores by seed.
        floor: standard deviation of one paired difference, used when fewer than two pairs exist.
        planned: seeds that should have been there.
        unit: of the scores.
        confidence: of the two-sided interval.
        method: `t`, or the expanded percentile `bootstrap`.

    Raises:
        EvidenceError: no complete pair, or a score that is not finite.
    """
    pairs, missing = paired_differences(candidate, baseline, planned=planned)
    return effect_of(
        pairs,
        floor=floor,
        missing=len(missing),
        unit=unit,
        confidence=confidence,
        method=method,
    )


def effect_of(
    differences: Mapping[int, float],
    *,
    floor: float = UNPAIRED_FLOOR,
    missing: int = 0,
    unit: str = "noise",
    confidence: float = 0.95,
    method: Literal["t", "bootstrap"] = "t",
) -> Effect:
    """Return the Effect of paired differences that are already formed (seed -> difference).

    Raises:
        EvidenceError: no pair, or a difference that is not finite.
    """
    values = finite_array(differences.values(), "paired differences")
    if len(values) == 0:
        raise EvidenceError(f"no complete pair ({missing} missing): there is no effect to report")
    interval = t_interval if method == "t" else bootstrap_interval
    mean, low, high = interval(values, confidence=confidence, floor=floor)
    return Effect(
        mean=mean,
        low=low,
        high=high,
        n_pairs=len(values),
        confidence=confidence,
        unit=unit,
        missing=missing,
    )


def combined_scores(
    scores: Mapping[str, SeedScores], noise: Mapping[str, float]
) -> dict[int, float]:
    """Seed -> mean over tasks of score / noise, for seeds that have every task.

    The difference of two combined scores is the combined difference. Every task weighs the same.

    Args:
        scores: task -> seed -> oriented score.
        noise: task -> deviation over seeds (`TaskSetting.noise`), > 0; names the tasks that count.

    Raises:
        EvidenceError: no task, a task without scores, a noise that is not > 0, a score not finite.
    """
    unknown = sorted(set(noise) - set(scores))
    if unknown or not noise:
        raise EvidenceError(f"combining needs scores for every task; missing: {unknown or 'all'}")
    for task, deviation in noise.items():
        positive_number(deviation, f"noise of task {task!r}")
        finite_array(scores[task].values(), f"scores of task {task!r}")
    seeds = set.intersection(*(set(scores[task]) for task in noise))
    return {
        seed: math.fsum(scores[task][seed] / noise[task] for task in noise) / len(noise)
        for seed in sorted(seeds)
    }


def compare(
    candidate: Iterable[Trial],
    baseline: Iterable[Trial],
    tasks: Sequence[TaskSetting],
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Compare a candidate's trials with the baseline's, seed by seed.

    Baseline trials of seeds that the candidate was not run with are ignored; a candidate's seed
    counts as missing when either side did not complete.

    Args:
        candidate: trials of one candidate at one stage and rung, failed ones included.
        baseline: trials of the baseline at the same stage and rung.
        tasks: metric and noise of each task; every task must be in `tasks` once.
        confidence: of all intervals.

    Raises:
        EvidenceError: no complete pair; trials mixed up; a metric that is not finite.
    """
    candidate = list(candidate)
    planned = {trial.spec.seed for trial in candidate}
    ours = oriented_scores(candidate, tasks)
    theirs = oriented_scores((t for t in baseline if t.spec.seed in planned), tasks)
    noise = {task.name: task.noise for task in tasks}
    differences, missing = paired_differences(
        combined_scores(ours, noise), combined_scores(theirs, noise), planned=planned
    )
    return Comparison(
        combined=effect_of(differences, missing=len(missing), confidence=confidence),
        tasks={
            name: paired_effect(
                _standardised(ours[name], noise[name]),
                _standardised(theirs[name], noise[name]),
                floor=UNPAIRED_FLOOR,
                planned=planned,
                confidence=confidence,
            )
            for name in noise
        },
        differences=differences,
        missing=missing,
    )


def _standardised(scores: SeedScores, noise: float) -> dict[int, float]:
    return {seed: score / noise for seed, score in scores.items()}
