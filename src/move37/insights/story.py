"""What happened in a campaign, folded from its events: one record a candidate. Reads, never judges.

Cost: linear in the number of events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from move37.core.candidate import Candidate
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.events import (
    CampaignStarted,
    CandidateProposed,
    CandidateRepaired,
    Event,
    JudgementGiven,
    JudgementRevised,
    LessonWritten,
    NoiseMeasured,
    NoveltyJudged,
    ProbesRan,
    ProposalFailed,
    RecordImported,
    RootAdded,
    RungDecided,
    SessionClosed,
    SessionOpened,
    TrialFinished,
    VerdictReached,
)
from move37.core.trial import Measurement, ProbeReport, Stage, Trial, TrialSpec

Told = (
    NoveltyJudged
    | ProbesRan
    | RungDecided
    | VerdictReached
    | JudgementGiven
    | JudgementRevised
    | LessonWritten
    | RecordImported
)
"""Events that tell something about one candidate."""
Aside = CampaignStarted | SessionOpened | SessionClosed | NoiseMeasured | ProposalFailed
"""Events that concern no candidate."""
IN_GALLERY = (VerdictKind.CONFIRMED, VerdictKind.VERIFIED)


@dataclass(kw_only=True, slots=True)
class Record:
    """What the ledger says about one candidate, as brought in at one index. Filled by `tell`."""

    index: int
    candidate: Candidate
    place: int
    """1 for the first candidate that was searched, and so on; 0 for roots and opponents."""
    role: str = ""
    """`root`, `baseline`, `opponent`; empty for candidates of the search."""
    operator: str = ""
    novelty: NoveltyJudged | None = None
    probes: ProbeReport | None = None
    trials: dict[TrialSpec, Trial] = field(default_factory=dict)
    looks: list[RungDecided] = field(default_factory=list)
    """What the race decided after each rung."""
    verdicts: list[VerdictReached] = field(default_factory=list)
    lesson: LessonWritten | None = None
    quality: float | None = None
    published: RecordImported | None = None
    """What another campaign published about it; None unless it was imported."""
    is_repaired: bool = False
    """Whether the Engineer made another candidate out of it."""

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.candidate.id

    @property
    def name(self) -> str:
        """The idea's name, or the id where there is none."""
        return self.candidate.idea.name.strip() or self.candidate.id

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict: the candidate's standing."""
        return self.verdicts[-1].verdict if self.verdicts else None

    @property
    def search(self) -> VerdictReached | None:
        """The search's last verdict before any fresh seed; its effect is optimistic."""
        before = takewhile(lambda v: v.verdict.stage is Stage.SEARCH, self.verdicts)
        return next(reversed(list(before)), None)

    @property
    def search_effect(self) -> Effect | None:
        """The effect that the search saw, of however long the training was."""
        return self.search.verdict.effect if self.search else None

    @property
    def test(self) -> Verdict | None:
        """The last verdict on fresh seeds and text, whatever it was."""
        found = [v.verdict for v in self.verdicts if v.verdict.stage is Stage.CONFIRM]
        return found[-1] if found else None

    @property
    def standing(self) -> VerdictKind | None:
        """What the last verdict calls it."""
        return self.verdict.kind if self.verdict else None

    @property
    def in_gallery(self) -> bool:
        """Whether it held up on fresh seeds, and nothing later says otherwise."""
        return bool(self.verdict and self.verdict.kind in IN_GALLERY and self.test)

    def at(self, stage: Stage) -> list[Trial]:
        """Return the trials of one stage at its highest rung, failed ones included."""
        trials = [t for s, t in self.trials.items() if s.stage is stage]
        last = max((t.spec.rung for t in trials), default=0)
        return [t for t in trials if t.spec.rung == last]

    def measurements(self, stage: Stage) -> dict[int, Measurement]:
        """Seed -> measurement of the completed trials at the stage's highest rung."""
        return {t.spec.seed: t.measurement for t in self.at(stage) if t.measurement}


@dataclass(kw_only=True, slots=True)
class Story:
    """A campaign as told by its events."""

    started: CampaignStarted | None = None
    opened: list[SessionOpened] = field(default_factory=list)
    closed: list[SessionClosed] = field(default_factory=list)
    entries: dict[tuple[int, str], Record] = field(default_factory=dict)
    """By index and id, in order of appearance. A candidate that was proposed twice has two."""
    records: dict[str, Record] = field(default_factory=dict)
    """By id; of a candidate that was proposed twice, the one with the lower index."""
    unproposed: list[ProposalFailed] = field(default_factory=list)
    """Proposals that gave no candidate."""
    floor: NoiseMeasured | None = None
    """The last noise floor that was recorded."""
    n_proposed: int = 0
    n_repairs: int = 0
    n_trials: int = 0
    trial_cpu_seconds: float = 0.0

    @property
    def is_sandboxed(self) -> bool:
        """Whether every session ran its candidates in the sandbox."""
        begun = [] if self.started is None else [self.started.sandboxed]
        return all([*begun, *(session.sandboxed for session in self.opened)])

    @property
    def searched(self) -> list[Record]:
        """The candidates of the search, in order of proposal, repeats included."""
        return [r for r in self.entries.values() if r.place]

    @property
    def gallery(self) -> list[Record]:
        """The candidates that held up, the largest effect on fresh seeds first."""
        return sorted((r for r in self.records.values() if r.in_gallery), key=_fresh_mean)

    def baseline(self, name: str) -> Record | None:
        """Return the baseline: as verdicts name it, else by role, else by the config's name."""
        named = {
            v.verdict.baseline for r in self.records.values() for v in r.verdicts
        } & self.records.keys()
        roots = [r for r in self.records.values() if r.role]
        found = [r for r in roots if r.id in named]
        found += [r for r in roots if r.role == "baseline"]
        found += [r for r in roots if r.name == name]
        return found[0] if found else None


def tell(events: Iterable[Event]) -> Story:
    """Return the story of these events, in the ledger's order."""
    story = Story()
    for event in events:
        _tell_one(story, event)
    return story


def _tell_one(story: Story, event: Event) -> None:
    if isinstance(event, Told):
        if record := _find(story, event.index, event.candidate_id):
            _learn(record, event)
        return
    if isinstance(event, Aside):
        _tell_aside(story, event)
        return
    match event:
        case RootAdded(candidate=candidate, role=role):
            _enter(story, Record(index=event.index, candidate=candidate, place=0, role=role))
        case CandidateProposed(candidate=candidate, operator=operator):
            story.n_proposed += 1
            _search(story, event, operator)
        case CandidateRepaired(candidate=candidate):
            story.n_repairs += 1
            for parent in candidate.parents[:1]:
                if broken := story.entries.get((event.index, parent)):
                    broken.is_repaired = True
            _search(story, event, "repair")
        case TrialFinished(trial=trial):
            _tell_trial(story, event.index, trial)


def _tell_aside(story: Story, event: Aside) -> None:
    match event:
        case ProposalFailed():
            story.unproposed.append(event)
        case NoiseMeasured():
            story.floor = event
        case CampaignStarted():
            story.started = story.started or event
        case SessionOpened():
            story.opened.append(event)
        case SessionClosed():
            story.closed.append(event)


def _tell_trial(story: Story, index: int, trial: Trial) -> None:
    story.n_trials += 1
    cost = trial.measurement.cost if trial.measurement else trial.cost
    story.trial_cpu_seconds += cost.cpu_seconds if cost else 0.0
    if record := _find(story, index, trial.spec.candidate_id):
        record.trials[trial.spec] = trial


def _search(story: Story, event: CandidateProposed | CandidateRepaired, operator: str) -> None:
    place = story.n_proposed + story.n_repairs
    record = Record(index=event.index, candidate=event.candidate, place=place, operator=operator)
    _enter(story, record)


def _enter(story: Story, record: Record) -> None:
    story.entries.setdefault((record.index, record.id), record)
    known = story.records.get(record.id)
    if known is None or record.index < known.index:
        story.records[record.id] = record


def _find(story: Story, index: int, candidate_id: str) -> Record | None:
    return story.entries.get((index, candidate_id)) or story.records.get(candidate_id)


def _learn(record: Record, event: Told) -> None:
    match event:
        case RecordImported():
            record.published = event
        case NoveltyJudged():
            record.novelty = event
        case ProbesRan(report=report):
            record.probes = report
        case RungDecided():
            record.looks.append(event)
        case VerdictReached():
            record.verdicts.append(event)
        case JudgementGiven(quality=quality) | JudgementRevised(quality=quality):
            record.quality = quality
        case LessonWritten():
            record.lesson = event


def _fresh_mean(record: Record) -> float:
    return -record.test.effect.mean if record.test and record.test.effect else 0.0
