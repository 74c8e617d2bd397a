"""What the guards record: diversity, decisions on edges, alarms, quarantines and what follows.

Part of `core.events.Event`; import them from there.
"""

from __future__ import annotations

from dataclasses import dataclass

from move37.core.claims import Fitness


@dataclass(frozen=True, kw_only=True, slots=True)
class DiversityStated:
    """How many unrelated families of base models the team has, said at the start."""

    index: int = -1
    level: str
    """`full`, `degraded` or `none`."""
    groups: tuple[tuple[str, ...], ...]
    """Labels of models, related ones together."""
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeDecided:
    """The firewall's answer to something that would flow from one author to another."""

    index: int
    producer: str
    consumer: str
    kind: str
    """`context`, `judging`, `fine-tuning`, `distillation`, `preference` or `warm-start`."""
    allowed: bool
    reason: str
    about: str = ""
    """The candidate that it is about."""
    rung: int | None = None
    """Of a warm start: the rung that goes on from weights. Producer and consumer are candidates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmRaised:
    """A guard found something; for inverse scaling, effort is capped from here on."""

    index: int
    guard: str
    """`inverse-scaling` or `canary`."""
    role: str
    """Empty for a canary: it watches a family in all that its models write."""
    model: str
    """Label of the model; for a canary, labels of the family's models."""
    evidence: float
    """The e-value."""
    reason: str
    cap: str = ""
    """Highest effort that may still be asked for."""
    family: str = ""
    """Of a canary: the line of base models that it watches."""
    trait: str = ""
    """Of a canary: what has changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyQuarantined:
    """From this index on a family and its relatives judge nobody, and nothing of it trains anybody.

    Its descendants are whatever its models wrote and whatever was made from that.
    """

    index: int
    family: str
    reason: str
    by: str
    """`person` or `canary`."""
    descendants: tuple[str, ...] = ()
    """Candidates that descend from it so far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineLifted:
    """From this index on a family counts again. What was revised stays revised."""

    index: int
    family: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgementRevised:
    """A judgement that rested on judges who may not judge (any more), and what takes its place.

    `index` is the candidate before whose choice of parents it was revised, so that who may know of
    it follows the lag rule.
    """

    index: int
    candidate_id: str
    how: str
    """`votes_dropped`: the other judges' votes stand; `asked_again`: an unrelated judge was asked;
    `left_out`: nobody may judge, fitness goes without."""
    quality: float | None
    """What counts now; None: nothing."""
    votes: dict[str, float]
    """Judge -> its quality, those that count now."""
    dropped: dict[str, float]
    """Judge -> its quality, those that no longer count."""
    reason: str
    fitness: Fitness | None = None
    """With the new quality; None for a candidate that has no fitness."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetExported:
    """Training data left the campaign for a named student."""

    index: int = -1
    student: str
    rows: dict[str, int]
    """By form: `instruction`, `preference`, `distillation`."""
    refused: dict[str, int]
    """Rows left out, by reason."""
    manifest: str
    """SHA-256 of manifest.json."""
