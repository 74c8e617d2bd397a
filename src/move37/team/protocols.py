"""The four roles of a team, and the records they are handed. Symbolic and llm teams implement both.

A role is a pure function of its record: the same record gives the same answer. Whoever fills the
records (the campaign) decides what a role may see; private numbers are never put in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from move37.core.candidate import Candidate
from move37.core.claims import Effect, Fitness, VerdictKind
from move37.core.errors import Move37Error
from move37.core.trial import Cost, Outcome, ProbeReport

Curve = tuple[tuple[int, float], ...]
"""(step, training loss): for looking at, never for claims."""


class NoProposal(Move37Error):
    """A Researcher found nothing new within its bounded tries. Counted; the campaign goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownCandidate:
    """A candidate and everything search may know about it."""

    candidate: Candidate
    effects: dict[str, Effect] = field(default_factory=dict)
    """Task name -> paired effect against the baseline, in units of noise; empty if untried."""
    combined: Effect | None = None
    """Over all tasks; None if untried."""
    fitness: Fitness | None = None
    verdict: VerdictKind | None = None
    outcome: Outcome | None = None
    """How its last trial or probe ended; None if untried."""
    reason: str = ""
    """Why, if it failed."""
    probe: ProbeReport | None = None
    cost: Cost | None = None
    curve: Curve = ()
    """Of its last search trial; empty if untried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CardHint:
    """What the Researcher takes from one card of the cognition base."""

    id: str
    edits: tuple[str, ...] = ()
    """Names of edits the card suggests (`team.symbolic.edits.EDITS`)."""
    relevance: float = 1.0
    """Retrieval score scaled to [0, 1]."""
    title: str = ""
    text: str = ""
    mechanism: str = ""
    how: str = ""
    """How to implement it."""
    source: str = ""
    """arXiv id or venue, and year."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LessonHint:
    """One earlier lesson."""

    candidate_id: str
    credits: dict[str, float] = field(default_factory=dict)
    """Design element or edit -> how much it seems to help, in units of noise."""
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How an author's earlier predictions fared."""

    n: int
    """Predicted signs that could be checked."""
    hits: int
    confidence: float
    """Mean probability the author gave to its own signs."""
    brier: float
    """Mean squared error of those probabilities; saying 0.5 always scores 0.25."""


class Bench(Protocol):
    """What a role may try out and look up while it works. Answers are texts for a model to read.

    It shows what its record shows and no more: the campaign as it stood when the step began.
    """

    def read_candidate(self, candidate_id: str) -> str:
        """Return idea, results and source of a candidate, or who is known."""
        ...

    def diff_candidates(self, first_id: str, second_id: str) -> str:
        """Return what differs between two sources."""
        ...

    def search_cards(self, query: str) -> str:
        """Return the cards that fit a question."""
        ...

    def search_lessons(self, query: str) -> str:
        """Return the lessons that fit a question."""
        ...

    def probe_draft(self, source: str) -> str:
        """Run the admission probes on a draft."""
        ...

    def smoke_train(self, source: str) -> str:
        """Train a draft for a few seconds; says how it went, and the training loss."""
        ...


class Mode(StrEnum):
    """What kind of step is asked for."""

    ANY = "any"
    """The Researcher chooses."""
    REFINE = "refine"
    """One small change of the parent."""
    RECOMBINE = "recombine"
    """Join the parent with a reference."""
    LEAP = "leap"
    """Several changes at once."""
    SIMPLIFY = "simplify"
    """Remove what does not pay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brief:
    """What a Researcher is asked, and all it may look at."""

    parents: tuple[KnownCandidate, ...]
    """The first is the one to be improved and compared with; at least one."""
    seed: int
    """Of every random choice in this proposal."""
    index: int = -1
    """The candidate's place in the campaign: names the conversation with a model."""
    references: tuple[KnownCandidate, ...] = ()
    cards: tuple[CardHint, ...] = ()
    lessons: tuple[LessonHint, ...] = ()
    task_names: tuple[str, ...] = ()
    known_ids: frozenset[str] = frozenset()
    """Ids of all candidates of the campaign: none of them may be proposed again."""
    mode: Mode = Mode.ANY
    siblings: tuple[KnownCandidate, ...] = ()
    """Earlier children of the first parent."""
    failures: tuple[KnownCandidate, ...] = ()
    """Candidates that gave no result, the newest last; `reason` says why."""
    baseline: KnownCandidate | None = None
    setting: str = ""
    """Sizes, tasks and limits under which every layer is tried."""
    vocabulary: str = ""
    """The kernels a layer may build on: what each does, and its signature."""
    calibration: Calibration | None = None
    """Of the Researcher's own earlier predictions."""
    remove: str = ""
    """A design element of the first parent that is to be taken out and nothing else: an ablation
    the Analyst asked for. Empty otherwise."""
    bench: Bench | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A new candidate and how it was made."""

    candidate: Candidate
    operator: str
    """`mutate:update:delta+conv:qkv-4`, `crossover`, `simplify:drop-route`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakage:
    """A candidate that failed, as the Engineer sees it."""

    candidate: Candidate
    outcome: Outcome
    reason: str
    seed: int
    index: int = -1
    probe: ProbeReport | None = None
    parent: Candidate | None = None
    """What it was made from; its repair must be something else."""
    known_ids: frozenset[str] = frozenset()
    """Ids that were tried already; a repair must have another one."""
    setting: str = ""
    vocabulary: str = ""
    """As in `Brief`."""
    bench: Bench | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A candidate with its result sealed, as the Analyst sees it."""

    subject: KnownCandidate
    parent: KnownCandidate | None = None
    siblings: tuple[KnownCandidate, ...] = ()
    """Other children of the same parent."""
    relatives: tuple[KnownCandidate, ...] = ()
    """Anything else that may differ in one element."""
    baseline: str = ""
    index: int = -1
    calibration: Calibration | None = None
    """Of the author's earlier predictions, this one left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What the Analyst learnt; the fields of `core.events.LessonWritten`."""

    text: str
    prediction_held: bool | None
    """None when nothing was predicted or nothing was measured."""
    credits: dict[str, float]
    ablate: str = ""
    """A design element whose worth only a trial without it can tell; empty: none is asked for."""
    author: str = ""
    """Who wrote the text; empty: the member that was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """A candidate as the Judge sees it: blind to author, name and private results."""

    candidate: Candidate
    novelty_distance: float
    """Distance to the nearest known candidate, scaled to [0, 1]."""
    probe: ProbeReport | None = None
    baseline_probe: ProbeReport | None = None
    cost: Cost | None = None
    baseline_cost: Cost | None = None
    baseline_source: str = ""
    index: int = -1
    anchors: tuple[str, ...] = ()
    """Sources of well-known layers, the same all campaign: what a judge's scale is set by."""
    seed: int = 0
    """Of the order in which layers are shown."""
    authors: tuple[str, ...] = ()
    """Who proposed and repaired it, for choosing judges; empty: the candidate's author alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A quality in [0, 1] and the parts it was made of, each in [0, 1]."""

    quality: float
    rubric: dict[str, float]
    votes: dict[str, float] = field(default_factory=dict)
    """Judge -> its quality, where several were asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A new idea beside the known ones it may repeat."""

    candidate: Candidate
    nearest: tuple[Candidate, ...]
    """The most alike by motivation first."""
    index: int = -1
    authors: tuple[str, ...] = ()
    """As in `Exhibit`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """Whether an idea was there before."""

    same_as: str
    """Id of the known candidate; empty: it is new."""
    reason: str


class Researcher(Protocol):
    """Proposes candidates."""

    def propose(self, brief: Brief) -> Proposal:
        """Return a candidate that is not among `brief.known_ids`.

        Raises:
            NoProposal: nothing new was found within the bounded tries; the reason is said.
        """
        ...


class Engineer(Protocol):
    """Repairs candidates that crashed, diverged, ran out of a limit, or failed a probe."""

    def repair(self, breakage: Breakage) -> Candidate | None:
        """Return a changed candidate whose parent is the broken one, or None: beyond repair."""
        ...


class Analyst(Protocol):
    """Explains results."""

    def explain(self, study: Study) -> Explanation:
        """Return the lesson of one candidate. Changes no verdict: it is written afterwards."""
        ...


class Critic(Protocol):
    """Gives the second opinion on novelty, where two motivations are close."""

    def compare(self, comparison: Comparison) -> Opinion:
        """Return whether the candidate is one of the known ones in other words."""
        ...


class Judge(Protocol):
    """Assesses quality beside measured effect."""

    def assess(self, exhibit: Exhibit) -> Judgement:
        """Return quality and rubric."""
        ...
