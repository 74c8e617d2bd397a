"""What is run: a Trial of one candidate at one rung with one seed, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a trial or probe ended. Every way to fail is a member; none is an exception."""

    COMPLETED = "completed"
    CRASHED = "crashed"
    DIVERGED = "diverged"
    HOPELESS = "hopeless"
    """Stopped early in the search: its loss stayed far above the baseline's."""
    OUT_OF_TIME = "out_of_time"
    OUT_OF_MEMORY = "out_of_memory"
    PROBE_FAILED = "probe_failed"
    FORGED = "forged"


class Stage(StrEnum):
    """Which data and seeds a trial uses. They never overlap."""

    SEARCH = "search"
    """What selection sees."""
    CONFIRM = "confirm"
    """Fresh seeds, fresh text: what a claim rests on."""
    VERIFY = "verify"
    """Larger model, more tokens, again fresh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSpec:
    """One trial: which candidate trains how far with which seed. Hashable, so it is the key."""

    candidate_id: str
    stage: Stage
    rung: int
    """Index into the preset's rungs; the rung fixes steps and size."""
    seed: int
    """Seeds initialisation, training data and its order. The baseline's twin has the same one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskScore:
    """One task's held-out result, computed by the scorer from logits."""

    nats: float
    """Mean cross-entropy over answer positions (for text: over bytes), in nats."""
    accuracy: float
    """Share of answer positions where the largest logit is the answer, in [0, 1]."""
    n_answers: int
    standard_error: float = 0.0
    """Of `nats`, over windows of this one model; seed noise is not in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a trial used, from the kernel's accounting and from the weights file."""

    cpu_seconds: float
    """User plus system time of the training child and its descendants."""
    wall_seconds: float
    peak_memory_bytes: int
    n_parameters: int
    """Counted by the host in the weights file."""
    ffn_width: int
    tokens: int
    """Training tokens seen."""
    state_bytes: int = 0
    """Always 0: the probes measure it (`ProbeReport`). Older ledgers hold the field."""
    flops_per_token: float = 0.0
    """As `state_bytes`."""
    device: str = "cpu"
    """Where it trained. On a GPU `peak_memory_bytes` is the host's alone."""

    @property
    def seconds(self) -> float:
        """Time that counts: the processor's, which other work does not lengthen; else the clock."""
        return self.cpu_seconds if self.device == "cpu" else self.wall_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """Numbers from one completed trial. Finite by construction: see `Trial`."""

    scores: dict[str, TaskScore]
    cost: Cost
    weights: str = ""
    """Digest of the snapshot artefact (weights and optimiser) the scores belong to."""
    initialisation: str = ""
    """Digest of the weights before the first step, and what built them, as the child declares it:
    provenance, no proof. Empty in ledgers of versions that did not ask."""
    curve: tuple[tuple[int, float], ...] = ()
    """(step, training loss) as printed by the child: for pictures, never for claims."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A spec and how it ended. A measurement exists exactly when the outcome is COMPLETED."""

    spec: TrialSpec
    outcome: Outcome
    reason: str = ""
    """For a person and for the Engineer: what happened, with the numbers. Empty if completed."""
    measurement: Measurement | None = None
    cost: Cost | None = None
    """What a failed trial used, as far as known."""

    def __post_init__(self) -> None:
        if (self.outcome is Outcome.COMPLETED) != (self.measurement is not None):
            raise ValueError(f"outcome {self.outcome} with measurement={self.measurement!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeVerdict:
    """One admission probe's answer."""

    name: str
    passed: bool
    breach: float = 0.0
    """Size of the largest breach, in the probe's own unit (relative error, exponent, bytes)."""
    limit: float = 0.0
    """The breach that would still have passed."""
    detail: str = ""
    """The smallest input that shows the breach, in words a repairer can act on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeReport:
    """All admission probes of one candidate."""

    outcome: Outcome
    """COMPLETED (all passed), PROBE_FAILED, or how the probing itself died."""
    verdicts: tuple[ProbeVerdict, ...] = ()
    reason: str = ""
    n_parameters: int = 0
    """Of one mixer at the probed width."""
    state_bytes: int = 0
    """State of one sequence in one layer, float32, at the longest probed length."""
    flops_per_token: float = 0.0
    cost_exponent: float = 0.0
    """Fitted exponent of cost over length: 1 is linear, 2 quadratic."""
    seconds: float = 0.0
    fingerprint: tuple[float, ...] = field(default=())
    """Outputs and gradient norms on fixed inputs at fixed weights, for novelty."""
    start: tuple[tuple[float, float, float], ...] = ()
    """Of each trainable parameter as initialised, in order: how many numbers, mean, deviation."""

    @property
    def passed(self) -> bool:
        """Whether the candidate may train."""
        return self.outcome is Outcome.COMPLETED
