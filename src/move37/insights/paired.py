"""Paired effects between two layers for the report's tables, and the spread over seeds.

The plain t interval only: the same arithmetic as `evidence.effects.compare`, which departments may
not import from each other; a test holds the two together.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from move37.core.claims import Effect
from move37.core.config import TaskSetting
from move37.core.trial import Measurement

UNPAIRED_FLOOR = math.sqrt(2.0)
"""Deviation of one difference on one task in noise units; for a sample that says nothing about its
own spread."""
CONFIDENCE = 0.95
TAIL = (1 + CONFIDENCE) / 2
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """One layer against another on the seeds that both completed; noise units."""

    combined: Effect
    """On the mean of the tasks."""
    tasks: dict[str, Effect]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Standard deviation over seeds with its 95 % chi-square interval, in the metric's unit."""

    deviation: float
    low: float
    high: float
    n_seeds: int


def score(measurement: Measurement, task: TaskSetting) -> float | None:
    """Return a task's metric such that larger is better; None if the task was not scored."""
    found = measurement.scores.get(task.name)
    if found is None:
        return None
    return -found.nats if task.metric == "nats" else found.accuracy


def compare(
    ours: Mapping[int, Measurement],
    theirs: Mapping[int, Measurement],
    tasks: Sequence[TaskSetting],
    *,
    planned: Collection[int],
) -> Paired | None:
    """Compare two layers on the planned seeds; None without one on which both have every task.

    A planned seed without a result for both counts as missing; other seeds are ignored.
    """
    differences = {
        seed: found
        for seed in sorted(ours.keys() & theirs.keys() & set(planned))
        if (found := _differences(ours[seed], theirs[seed], tasks))
    }
    if not differences or not tasks:
        return None
    rows = list(differences.values())
    missing = len(set(planned)) - len(rows)
    return Paired(
        combined=paired_effect([math.fsum(row) / len(row) for row in rows], missing=missing),
        tasks={
            task.name: paired_effect([row[k] for row in rows], missing=missing)
            for k, task in enumerate(tasks)
        },
    )


def paired_effect(differences: Sequence[float], *, missing: int = 0) -> Effect:
    """Return the mean of at least one paired difference with Student's t interval, noise units."""
    from scipy.special import ndtri, stdtrit

    mean, error, degrees = _mean_and_error(differences)
    reach = float(stdtrit(degrees, TAIL) if degrees else ndtri(TAIL))
    return Effect(
        mean=mean,
        low=mean - reach * error,
        high=mean + reach * error,
        n_pairs=len(differences),
        confidence=CONFIDENCE,
        missing=missing,
    )


def paired_p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of no difference, from the same distribution as the interval."""
    from scipy.special import ndtr, stdtr

    mean, error, degrees = _mean_and_error(differences)
    reach = -abs(mean) / error if error > 0 else -math.inf
    return min(1.0, 2 * float(stdtr(degrees, reach) if degrees else ndtr(reach)))


def _mean_and_error(differences: Sequence[float]) -> tuple[float, float, int]:
    """Return mean, standard error and degrees of freedom; 0 degrees: the noise floor's, normal."""
    n = len(differences)
    mean = math.fsum(differences) / n
    reach = max(map(abs, differences))
    if n == 1 or max(differences) - min(differences) <= ROUNDING * reach:
        return mean, UNPAIRED_FLOOR / math.sqrt(n), 0
    return mean, statistics.stdev(differences) / math.sqrt(n), n - 1


def spread(groups: Sequence[Sequence[float]]) -> Spread | None:
    """Return the deviation within groups of replicates, pooled; None without two in any group."""
    from scipy.special import chdtri

    groups = [group for group in groups if len(group) > 1]
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        return None
    squares = math.fsum((len(group) - 1) * statistics.variance(group) for group in groups)
    return Spread(
        deviation=math.sqrt(squares / degrees),
        low=math.sqrt(squares / float(chdtri(degrees, 1 - TAIL))),
        high=math.sqrt(squares / float(chdtri(degrees, TAIL))),
        n_seeds=sum(map(len, groups)),
    )


def _differences(
    ours: Measurement, theirs: Measurement, tasks: Sequence[TaskSetting]
) -> list[float]:
    """Return a seed's difference per task in noise units; empty if a task is missing."""
    found: list[float] = []
    for task in tasks:
        mine, other = score(ours, task), score(theirs, task)
        if mine is None or other is None:
            return []
        found.append(mine / task.noise - other / task.noise)
    return found
