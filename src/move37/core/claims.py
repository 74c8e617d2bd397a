"""What is said about a candidate: Effect, Fitness, RungDecision, Verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from move37.core.trial import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """A paired difference against a baseline of equal size. Positive is better, always."""

    mean: float
    low: float
    high: float
    """Ends of the two-sided interval at `confidence`."""
    n_pairs: int
    confidence: float = 0.95
    unit: str = "noise"
    """`noise`: multiples of `TaskSetting.noise`; or `nats`, `accuracy`."""
    missing: int = 0
    """Pairs that were planned and have no result on one side."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitness:
    """What the search climbs; never evidence."""

    value: float
    effect_part: float
    task_part: float
    judge_part: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFloor:
    """Seed-to-seed deviation of the baseline on one task at one rung, in the metric's unit."""

    task: str
    rung: int
    deviation: float
    low: float
    high: float
    """Ends of the 95 % interval, for Gaussian seed noise."""
    n_replicates: int


BEST_SO_FAR = "the best so far"
"""Whose effect the bar of racing is on the way to the last rung, in the reason of a decision."""


class RungChoice(StrEnum):
    """What racing decides after a rung."""

    DROP = "drop"
    GO_ON = "go_on"
    PROMOTE = "promote"


@dataclass(frozen=True, kw_only=True, slots=True)
class RungDecision:
    """A racing decision and the numbers it rests on."""

    choice: RungChoice
    reason: str
    probability: float
    """Probability that the candidate beats the bar, under the rule's model."""


class VerdictKind(StrEnum):
    """A candidate's standing, in rising order but for the last."""

    REJECTED = "rejected"
    EXPLORED = "explored"
    PROMOTED = "promoted"
    CONFIRMED = "confirmed"
    VERIFIED = "verified"
    REFUTED = "refuted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A standing with everything that is needed to check it."""

    kind: VerdictKind
    reason: str
    effect: Effect | None = None
    """Combined over tasks; for CONFIRMED, on fresh seeds and fresh text only."""
    task_effects: dict[str, Effect] | None = None
    e_value: float | None = None
    level: float | None = None
    """The e-LOND level at which the e-value was judged: admitted when e_value >= 1 / level."""
    baseline: str = ""
    seeds: tuple[int, ...] = ()

    @property
    def stage(self) -> Stage:
        """Whose trials it rests on: the search's, those on fresh seeds, those at a larger scale."""
        if self.kind in (VerdictKind.VERIFIED, VerdictKind.REFUTED):
            return Stage.VERIFY
        return Stage.SEARCH if self.level is None else Stage.CONFIRM
