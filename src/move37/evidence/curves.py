"""Learning-curve cut: stop a training run that has diverged or is hopeless against the baseline.

The curve is what the training child prints, so it is a word of the candidate's: it can end the run
early, which hurts only the candidate, and never enters a claim.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from move37.evidence.inputs import EvidenceError, positive_number

Curve = Sequence[tuple[int, float]]
"""(step, training loss in nats), steps rising."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveRules:
    """When a curve is cut. Measured: none of 403 good ones (bench/curve_study.py, docs/log.md)."""

    window: int = 5
    """Points of the running median, which one bad batch cannot move."""
    diverged_above: float = 0.5
    """Nats of the running median above its own best so far that count as divergence."""
    hopeless_above: float = 0.3
    """Nats of the running median above the baseline's at the same steps that count as hopeless."""
    earliest: float = 0.25
    """Share of the planned steps before which nobody is called hopeless: late bloomers exist."""
    patience: int = 3
    """Consecutive points that must agree."""

    def __post_init__(self) -> None:
        if self.window < 1 or self.patience < 1 or not 0.0 <= self.earliest <= 1.0:
            raise EvidenceError(
                f"curve rules need window, patience >= 1 and earliest in [0, 1], got {self}"
            )
        positive_number(self.diverged_above, "diverged_above")
        positive_number(self.hopeless_above, "hopeless_above")


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveDecision:
    """Whether to stop, and why."""

    stop: bool
    diverged: bool
    """True: Outcome.DIVERGED. False with `stop`: merely hopeless."""
    reason: str


GOES_ON = CurveDecision(stop=False, diverged=False, reason="")


def decide_curve(
    curve: Curve, baseline: Curve, *, total_steps: int, rules: CurveRules
) -> CurveDecision:
    """Decide whether a run should stop, from its curve so far.

    Diverged: a loss that is not finite, or a running median that stays `diverged_above` over its
    own best for `patience` points. Hopeless: from `earliest` on, the running median of loss minus
    baseline loss at the same steps (same seed, same batches) stays above `hopeless_above` for
    `patience` points.

    Args:
        curve: of the candidate so far.
        baseline: of the same seed and data; steps that only one side has are skipped. May be empty:
            then nothing is called hopeless.
        total_steps: length of the schedule.
        rules: thresholds.

    Raises:
        EvidenceError: steps of the curve do not rise, or the baseline's loss is not finite.
    """
    _check(curve, baseline)
    if bad := next(((step, loss) for step, loss in curve if not math.isfinite(loss)), None):
        return CurveDecision(stop=True, diverged=True, reason=f"loss {bad[1]} at step {bad[0]}")
    level = _running_median([loss for _, loss in curve], rules.window)
    rise = [value - min(level[: i + 1]) for i, value in enumerate(level)]
    if _stays_above(rise, rules.diverged_above, rules.patience):
        return CurveDecision(
            stop=True,
            diverged=True,
            reason=f"loss stays {rise[-1]:.2f} nats above its own best for {rules.patience} points",
        )
    beside = dict(baseline)
    gaps = [(step, loss - beside[step]) for step, loss in curve if step in beside]
    smooth = _running_median([gap for _, gap in gaps], rules.window)
    late = [
        value
        for (step, _), value in zip(gaps, smooth, strict=True)
        if step >= rules.earliest * total_steps
    ]
    if _stays_above(late, rules.hopeless_above, rules.patience):
        return CurveDecision(
            stop=True,
            diverged=False,
            reason=f"loss stays {late[-1]:.2f} nats above the baseline's, {rules.patience} points",
        )
    return GOES_ON


def _running_median(values: Sequence[float], window: int) -> list[float]:
    return [statistics.median(values[max(0, i + 1 - window) : i + 1]) for i in range(len(values))]


def _stays_above(values: Sequence[float], limit: float, patience: int) -> bool:
    return len(values) >= patience and all(value > limit for value in values[-patience:])


def _check(curve: Curve, baseline: Curve) -> None:
    steps = [step for step, _ in curve]
    if any(b <= a for a, b in itertools.pairwise(steps)):
        raise EvidenceError("steps of a curve must rise")
    if bad := next((step for step, loss in baseline if not math.isfinite(loss)), None):
        raise EvidenceError(f"the baseline's loss at step {bad} is not finite; rerun the baseline")
