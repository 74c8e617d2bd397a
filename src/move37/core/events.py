"""Everything that can happen in a campaign. The ledger is a list of these and nothing else.

An event is written once and never changed. `index` is the candidate's place in the campaign,
counted from 0; -1 marks events of the campaign as a whole. What the guards record is in
`core/guard_events.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from move37.core.candidate import Candidate
from move37.core.claims import Fitness, RungDecision, TaskFloor, Verdict
from move37.core.guard_events import (
    AlarmRaised,
    DatasetExported,
    DiversityStated,
    EdgeDecided,
    FamilyQuarantined,
    JudgementRevised,
    QuarantineLifted,
)
from move37.core.reasons import in_short
from move37.core.trial import ProbeReport, Trial, TrialSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignStarted:
    """The first event: the whole config, versions, machine, sandbox."""

    index: int = -1
    name: str
    config: str
    """The resolved config as JSON."""
    version: str
    machine: dict[str, str]
    sandboxed: bool
    preset: str = ""
    """The resolved preset as JSON: a name alone could come to mean something else."""
    imported_from: str = ""
    """What published campaign this is a copy of: `asi-arch`; empty for one that ran here."""
    secret: str = ""
    """SHA-256 of the secret that held-out data are drawn with: all drivers must have the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOpened:
    """A driver began (again) to work on the campaign."""

    index: int = -1
    driver: str
    sandboxed: bool
    budget_seconds: float
    purpose: str = "search"
    """`search` or `verify`; only the search has the campaign's budget."""
    makes: str = ""
    """What made its numbers: digest of lab and arena, versions of what computes; empty in ledgers
    older than this field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionClosed:
    """A driver stopped in good order. Missing after a kill."""

    index: int = -1
    driver: str
    reason: str
    wall_seconds: float
    failed: bool = False
    """Whether an error ended it; `reason` is its message then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RootAdded:
    """A starting point of the lineage, or a reference mixer that takes part as opponent."""

    index: int = -1
    candidate: Candidate
    role: str
    """`root`, `baseline` or `opponent`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateStarted:
    """Intent: work on this index begins. Without a later VerdictReached it is in flight or lost."""

    index: int
    driver: str
    arm: str = ""
    """`team` or `control`, where language models play; empty where there is no choice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParentsChosen:
    """Which candidates the next one is made from."""

    index: int
    parents: tuple[str, ...]
    references: tuple[str, ...]
    rule: str
    mode: str = ""
    """Kind of step that is asked for (`team.protocols.Mode`); empty: the Researcher draws one."""
    model: str = ""
    """Name in the team of the model that is asked; empty: the one whose turn it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CardsRead:
    """What the cognition base offered, and to which question."""

    index: int
    query: str
    cards: tuple[str, ...]
    relevance: tuple[float, ...] = ()
    """How well each fits, in (0, 1]; ledgers of earlier versions do not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateProposed:
    """An Idea and its source, before anything ran."""

    index: int
    candidate: Candidate
    operator: str
    """How it was made: `mutate:decay`, `crossover`, `propose`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposalFailed:
    """A language model gave nothing that could be tried: this index has no candidate."""

    index: int
    reason: str

    @property
    def failure(self) -> str:
        """The kind of failure that it is counted as."""
        return f"no proposal: {in_short(self.reason)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class NoveltyJudged:
    """Whether the candidate is new, and what it is nearest to."""

    index: int
    candidate_id: str
    is_novel: bool
    nearest: str
    reason: str
    distance: float = 1.0
    """To the nearest, scaled to [0, 1]: 0 is the same function or text."""
    by: str = "source"
    """What was compared: `source` before the probes, `behaviour` after them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbesRan:
    """The admission probes' answer."""

    index: int
    candidate_id: str
    report: ProbeReport


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStarted:
    """Intent: a trial begins."""

    index: int
    spec: TrialSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialFinished:
    """A trial and its outcome."""

    index: int
    trial: Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class RungDecided:
    """Racing's decision after a rung."""

    index: int
    candidate_id: str
    rung: int
    decision: RungDecision


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateRepaired:
    """The Engineer's new candidate, whose parent is the broken one."""

    index: int
    candidate: Candidate
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictReached:
    """A standing. The last one per candidate and stage counts."""

    index: int
    candidate_id: str
    verdict: Verdict
    fitness: Fitness | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgementGiven:
    """A judge's quality in [0, 1], given blind."""

    index: int
    candidate_id: str
    quality: float
    judge: str
    rubric: dict[str, float]
    votes: dict[str, float] = field(default_factory=dict)
    """Judge -> its quality, where a panel was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LessonWritten:
    """What the Analyst learnt; written after the verdict is sealed."""

    index: int
    candidate_id: str
    text: str
    prediction_held: bool | None
    credits: dict[str, float]
    """Design element or edit -> how much it seems to help, in units of noise."""
    author: str = "symbolic"
    ablate: str = ""
    """A design element that the next child of this candidate shall be made without; empty: none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseMeasured:
    """The noise floor: how far trainings of the baseline differ when only the seed changes.

    From every replicate on this machine with the same code, data, baseline and preset.
    """

    index: int = -1
    baseline: str
    key: str
    """Digest of everything that matters: another key, another floor."""
    floors: tuple[TaskFloor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCalled:
    """One request to a language model and what came back. Texts are artefacts, by digest."""

    index: int
    call_id: str
    """The conversation it belongs to."""
    turn: int
    """Its place among the requests of the conversation, tries counted, from 0."""
    role: str
    model: str
    """Provider and model that was asked: `openai:gpt-5.4`."""
    served_by: str
    """Model that says it answered; empty if none did."""
    family: str
    effort: str
    """Reasoning effort that was asked for."""
    outcome: str
    """`replied`, `truncated`, `refused`, `unavailable`, `limited`, `rejected` or `garbled`."""
    reason: str
    """Why, if it did not reply."""
    input_tokens: int
    cached_tokens: int
    """Of the input, read from the provider's cache."""
    output_tokens: int
    """Reasoning included."""
    reasoning_tokens: int
    dollars: float
    """0 where no price is known; then `is_priced` is False."""
    is_priced: bool
    seconds: float
    key: str
    """Digest of what the request says, leaving out times and ids: equal questions have equal keys.
    """
    request: str
    """Digest of the request's artefact."""
    reply: str
    """Digest of the reply's artefact; empty if there was none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallEnded:
    """One conversation with a language model is over."""

    index: int
    call_id: str
    role: str
    model: str
    effort: str
    outcome: str
    """`answered`, or why there is no answer: `unusable`, `truncated`, `refused`, `unavailable`,
    `rejected`, `too_long`."""
    reason: str
    n_requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CallJudged:
    """What became of a model's answer: not an opinion, a fact that came later."""

    index: int
    call_id: str
    role: str
    measure: str
    """What was looked at: `probes_passed`, `repair_ran`, `prediction_held`."""
    success: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordImported:
    """What somebody else's campaign published about a candidate. Nothing in it was measured here.

    No verdict and no fitness: those are what this house says after its own trials.
    """

    index: int
    candidate_id: str
    label: str
    """Its number there."""
    display_name: str = ""
    score: float | None = None
    """Fitness as published, in the publisher's own scale."""
    n_parameters: int = 0
    """Of the whole model as published, rounded as there; 0 if not given."""
    curve: tuple[tuple[int, float], ...] = ()
    """(step, training loss) as published."""
    results: dict[str, float] = field(default_factory=dict)
    """Benchmark -> number as published: accuracies, perplexities, means."""
    summary: str = ""
    has_program: bool = False
    """Whether its source is the published program; otherwise it is a placeholder."""
    oddities: tuple[str, ...] = ()
    """What was missing, repeated or unreadable in the record."""
    picture: str = ""
    """Digest of the published drawing, reduced to shapes and words; empty if there is none."""


Event: TypeAlias = (
    CampaignStarted
    | SessionOpened
    | SessionClosed
    | RootAdded
    | CandidateStarted
    | ParentsChosen
    | CardsRead
    | CandidateProposed
    | ProposalFailed
    | NoveltyJudged
    | ProbesRan
    | TrialStarted
    | TrialFinished
    | RungDecided
    | CandidateRepaired
    | VerdictReached
    | JudgementGiven
    | LessonWritten
    | NoiseMeasured
    | ModelCalled
    | CallEnded
    | CallJudged
    | RecordImported
    | DiversityStated
    | EdgeDecided
    | AlarmRaised
    | FamilyQuarantined
    | QuarantineLifted
    | JudgementRevised
    | DatasetExported
)
