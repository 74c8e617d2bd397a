"""What the search climbs. Never evidence: claims rest on confirmation with fresh seeds.

Both composites are built on shrunk effects, so that a lucky single seed does not become everybody's
parent, and both put three parts in [0, 1] under configurable weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from move37.core.claims import Effect, Fitness
from move37.core.errors import UnknownName
from move37.evidence.effects import UNPAIRED_FLOOR
from move37.evidence.inputs import EvidenceError, finite_number, positive_number

ASI_ARCH_CLIP = 0.10
"""Relative improvement at which the ancestor's sigmoid is clipped (arXiv 2507.18074, its code)."""
ASI_ARCH_SLOPE = 6.0
"""Logits at the clip (same source)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """One task as fitness sees it."""

    metric: Literal["nats", "accuracy"]
    effect: Effect
    """Paired effect over the baseline, unit `noise`."""
    noise: float
    """Of the task, in its metric's unit."""
    baseline: float
    """Baseline's mean metric: nats, or accuracy; > 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitnessRules:
    """Weights and scales; weights need not sum to 1."""

    effect_weight: float = 1.0
    task_weight: float = 1.0
    judge_weight: float = 1.0
    effect_scale: float = 3.0
    """Shrunk effect, in noise units, at which a part of the default composite is sigmoid(1) = 0.73;
    assumed: the search's useful range is a few noise units."""
    pair_deviation: float = UNPAIRED_FLOOR
    """Deviation of one combined paired difference in noise units, for shrinkage."""
    task_deviation: float = UNPAIRED_FLOOR
    """The same of one task, which no mean over tasks has made smaller."""
    prior_mean: float = 0.0
    prior_spread: float = 2.0
    """Candidates' true effects before any trial: mean and deviation, noise units; assumed."""

    def __post_init__(self) -> None:
        weights = (self.effect_weight, self.task_weight, self.judge_weight)
        if any(not math.isfinite(w) or w < 0 for w in weights) or sum(weights) <= 0:
            raise EvidenceError(f"weights must be >= 0 with a sum above 0, got {weights}")
        for name in ("effect_scale", "pair_deviation", "task_deviation", "prior_spread"):
            positive_number(getattr(self, name), name)


def shrunk_mean(mean: float, n_pairs: int, rules: FitnessRules) -> float:
    """Return the posterior mean of the true effect after `n_pairs` seeds (normal-normal).

    weight = spread^2 / (spread^2 + deviation^2 / n); the answer lies between prior mean and `mean`
    and moves to `mean` as seeds accumulate. Without pairs it is the prior mean.

    Source: D. V. Lindley and A. F. M. Smith, "Bayes estimates for the linear model", 1972; against
    the winner's curse in selection: S. Senn, "A note concerning a selection paradox of Dawid's",
    2008.
    """
    if n_pairs < 1:
        return rules.prior_mean
    finite_number(mean, "effect")
    prior, sampling = rules.prior_spread**2, rules.pair_deviation**2 / n_pairs
    return rules.prior_mean + prior / (prior + sampling) * (mean - rules.prior_mean)


def composite(
    combined: Effect, tasks: Sequence[TaskResult], quality: float | None, rules: FitnessRules
) -> Fitness:
    """Return the default composite; monotone without a ceiling, so the best stay apart.

    effect part: sigmoid(shrunk combined effect / scale). task part: mean over tasks of
    sigmoid(shrunk task effect / scale), which pays for breadth: one huge task counts as one task.
    judge part: the quality as given.

    Args:
        combined: combined paired effect, unit `noise`.
        tasks: every search task.
        quality: judge's quality in [0, 1], or None without a judge: then the other two parts share
            its weight and `judge_part` is 0.
        rules: weights and scales.

    Raises:
        EvidenceError: no task, or a quality outside [0, 1].
    """
    effect_part = _sigmoid(_shrunk(combined, rules) / rules.effect_scale)
    parts = [_sigmoid(_shrunk_task(task, rules) / rules.effect_scale) for task in tasks]
    return _weighted(effect_part, _mean(parts), quality, rules)


def asi_arch(
    combined: Effect,  # noqa: ARG001 - all composites share one signature; this one reads the tasks
    tasks: Sequence[TaskResult],
    quality: float | None,
    rules: FitnessRules,
) -> Fitness:
    """Return the ancestor's composite on shrunk effects.

    Each task: sigmoid(6 * clip(relative improvement / 0.10, -1, 1)) with the improvement relative
    to the baseline's metric. effect part: mean over tasks in nats (its loss term); task part: mean
    over tasks in accuracy (its benchmark term). If the preset has tasks of one kind only, that
    kind fills both parts. Saturates at 10 %: use it for comparison with the ancestor.

    Raises:
        EvidenceError: no task, a baseline metric that is not > 0, a quality outside [0, 1].

    Source: arXiv 2507.18074, section on fitness, and its released scoring code.
    """
    nats = [_relative(task, rules) for task in tasks if task.metric == "nats"]
    accuracy = [_relative(task, rules) for task in tasks if task.metric == "accuracy"]
    return _weighted(_mean(nats or accuracy), _mean(accuracy or nats), quality, rules)


Composite = Callable[[Effect, Sequence[TaskResult], float | None, FitnessRules], Fitness]
COMPOSITES: dict[str, Composite] = {"composite": composite, "asi_arch": asi_arch}


def composite_by_name(name: str) -> Composite:
    """Return the composite that `EvidenceConfig.fitness` names.

    Raises:
        UnknownName: no composite has this name.
    """
    if name not in COMPOSITES:
        raise UnknownName.of("fitness", name, COMPOSITES)
    return COMPOSITES[name]


def _shrunk(effect: Effect, rules: FitnessRules) -> float:
    return shrunk_mean(effect.mean, effect.n_pairs, rules)


def _shrunk_task(task: TaskResult, rules: FitnessRules) -> float:
    alone = replace(rules, pair_deviation=rules.task_deviation)
    return shrunk_mean(task.effect.mean, task.effect.n_pairs, alone)


def _relative(task: TaskResult, rules: FitnessRules) -> float:
    baseline = positive_number(task.baseline, "baseline metric")
    improvement = _shrunk_task(task, rules) * positive_number(task.noise, "noise") / baseline
    clipped = min(max(improvement / ASI_ARCH_CLIP, -1.0), 1.0)
    return _sigmoid(ASI_ARCH_SLOPE * clipped)


def _weighted(
    effect_part: float, task_part: float, quality: float | None, rules: FitnessRules
) -> Fitness:
    judge_weight = 0.0 if quality is None else rules.judge_weight
    judge_part = 0.0 if quality is None else finite_number(quality, "judge's quality")
    if not 0.0 <= judge_part <= 1.0:
        raise EvidenceError(f"a judge's quality lies in [0, 1], got {judge_part}")
    total = rules.effect_weight + rules.task_weight + judge_weight
    if total <= 0:
        raise EvidenceError("only the judge has weight but there is no judge; set another weight")
    value = (
        rules.effect_weight * effect_part
        + rules.task_weight * task_part
        + judge_weight * judge_part
    ) / total
    return Fitness(value=value, effect_part=effect_part, task_part=task_part, judge_part=judge_part)


def _mean(parts: Sequence[float]) -> float:
    if not parts:
        raise EvidenceError("fitness needs at least one task")
    return math.fsum(parts) / len(parts)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
