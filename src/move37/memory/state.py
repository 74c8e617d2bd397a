"""What is known, as a pure fold over the events: `fold(a + b) == fold(b, start=fold(a))`.

A State is a value: folding more events gives a new one. What each candidate's index produced is
kept apart, so that `before(n)` is the same whatever else was in flight: SearchConfig's lag rule.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from move37.core.budget import Spend
from move37.core.candidate import Candidate
from move37.core.claims import Fitness, Verdict
from move37.core.errors import LedgerError
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    CampaignStarted,
    CandidateProposed,
    CandidateRepaired,
    CandidateStarted,
    CardsRead,
    DatasetExported,
    DiversityStated,
    EdgeDecided,
    Event,
    FamilyQuarantined,
    JudgementGiven,
    JudgementRevised,
    LessonWritten,
    ModelCalled,
    NoiseMeasured,
    NoveltyJudged,
    ParentsChosen,
    ProbesRan,
    ProposalFailed,
    QuarantineLifted,
    RecordImported,
    RootAdded,
    RungDecided,
    SessionClosed,
    SessionOpened,
    TrialFinished,
    VerdictReached,
)
from move37.core.trial import Outcome, ProbeReport, Stage, Trial, TrialSpec
from move37.memory.subject import introduces, subject

E = TypeVar("E", bound=Event)
Opening = CandidateStarted | ParentsChosen | CardsRead | ProposalFailed
Guarding = (
    DiversityStated
    | EdgeDecided
    | AlarmRaised
    | FamilyQuarantined
    | QuarantineLifted
    | DatasetExported
)
Conversation = ModelCalled | CallEnded | CallJudged | Guarding | NoiseMeasured
"""What was said to whom, what guards made of it, and the noise floor: about no candidate, and no
choice of parents is made from it."""
Session = CampaignStarted | SessionOpened | SessionClosed


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One candidate, as brought in at one index, with every event about it in order."""

    index: int
    """Where it was brought in; -1 for roots, baselines and opponents."""
    candidate: Candidate
    events: tuple[Event, ...]

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.candidate.id

    @cached_property
    def role(self) -> str:
        """`root`, `baseline`, `opponent`, `proposed` or `repaired`."""
        match self.events[0]:
            case RootAdded(role=role):
                return role
            case CandidateRepaired():
                return "repaired"
        return "proposed"

    @cached_property
    def operator(self) -> str:
        """How it was made; empty for roots, `repair` for repairs."""
        match self.events[0]:
            case CandidateProposed(operator=operator):
                return operator
            case CandidateRepaired():
                return "repair"
        return ""

    @cached_property
    def trials(self) -> dict[TrialSpec, Trial]:
        """Finished trials of every stage, in order."""
        return {e.trial.spec: e.trial for e in self._all(TrialFinished)}

    @cached_property
    def n_seeds(self) -> int:
        """Seeds with a completed search trial."""
        completed = {
            spec.seed
            for spec, trial in self.trials.items()
            if spec.stage is Stage.SEARCH and trial.outcome is Outcome.COMPLETED
        }
        return len(completed)

    @cached_property
    def verdict(self) -> Verdict | None:
        """The last verdict."""
        reached = self._last(VerdictReached)
        return reached.verdict if reached else None

    @cached_property
    def search_verdict(self) -> Verdict | None:
        """The last verdict that rests on search alone.

        What chooses may read no other: fresh seeds stay fresh for the next confirmation.
        """
        verdicts = (e.verdict for e in self._all(VerdictReached))
        reached = list(itertools.takewhile(lambda v: v.stage is Stage.SEARCH, verdicts))
        return reached[-1] if reached else None

    @cached_property
    def fresh_verdict(self) -> Verdict | None:
        """The last verdict on fresh seeds and text at the search's size, whatever it was."""
        verdicts = [e.verdict for e in self._all(VerdictReached)]
        return next((v for v in reversed(verdicts) if v.stage is Stage.CONFIRM), None)

    @cached_property
    def fitness(self) -> Fitness | None:
        """The last fitness that was given, with a verdict or with a revised judgement."""
        given = [
            e.fitness
            for e in self.events
            if isinstance(e, VerdictReached | JudgementRevised) and e.fitness is not None
        ]
        return given[-1] if given else None

    @cached_property
    def probes(self) -> ProbeReport | None:
        """The admission probes' last answer."""
        ran = self._last(ProbesRan)
        return ran.report if ran else None

    @cached_property
    def novelty(self) -> NoveltyJudged | None:
        """The last novelty judgement."""
        return self._last(NoveltyJudged)

    @cached_property
    def quality(self) -> float | None:
        """The judges' quality as last given or revised; None where nobody judged, or may."""
        given = [e for e in self.events if isinstance(e, JudgementGiven | JudgementRevised)]
        return given[-1].quality if given else None

    @cached_property
    def lesson(self) -> LessonWritten | None:
        """The last lesson."""
        return self._last(LessonWritten)

    @cached_property
    def published(self) -> RecordImported | None:
        """What another campaign published about it, if it was imported."""
        return self._last(RecordImported)

    @cached_property
    def decisions(self) -> tuple[RungDecided, ...]:
        """Racing's decisions, in order."""
        return tuple(self._all(RungDecided))

    @cached_property
    def newest_index(self) -> int:
        """The largest index that told something about this candidate."""
        return max(event.index for event in self.events)

    def before(self, index: int) -> Entry:
        """Keep only what candidates below an index told."""
        if self.newest_index < index:
            return self
        return replace(self, events=tuple(e for e in self.events if e.index < index))

    def _all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def _last(self, kind: type[E]) -> E | None:
        found = self._all(kind)
        return found[-1] if found else None


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything a campaign knows at one moment."""

    entries: Mapping[tuple[int, str], Entry] = field(default_factory=dict)
    """By index and candidate id, in order of appearance. A candidate proposed twice has two."""
    openings: Mapping[int, tuple[Opening, ...]] = field(default_factory=dict)
    """How each index began: intent, parents, cards; or why there is no candidate."""
    sessions: tuple[Session, ...] = ()
    places: Mapping[str, tuple[int, ...]] | None = field(default=None, compare=False, repr=False)
    """Indices that brought in each candidate, in order of appearance; may name some that `entries`
    has not. Kept from fold to fold, so that a lookup does not grow with the campaign."""

    @cached_property
    def candidates(self) -> dict[str, Entry]:
        """Every candidate by id, by rising index; of one proposed twice, the first."""
        first: dict[str, Entry] = {}
        for entry in sorted(self.entries.values(), key=lambda entry: entry.index):
            first.setdefault(entry.id, entry)
        return first

    def find(self, id_: str) -> Entry | None:
        """Return one candidate, without making a list of all."""
        return min(self.appearances(id_), key=lambda entry: entry.index, default=None)

    def appearances(self, id_: str) -> list[Entry]:
        """Return a candidate's entry, or entries if it was proposed twice, in order."""
        keys = [(index, id_) for index in self._places.get(id_, ())]
        return [self.entries[key] for key in keys if key in self.entries]

    def trials_of(self, id_: str) -> list[Trial]:
        """Return a candidate's finished trials, whichever index ran them."""
        return [trial for entry in self.appearances(id_) for trial in entry.trials.values()]

    @cached_property
    def _places(self) -> Mapping[str, tuple[int, ...]]:
        if self.places is not None:
            return self.places
        found: dict[str, tuple[int, ...]] = {}
        for index, id_ in self.entries:
            found[id_] = (*found.get(id_, ()), index)
        return found

    @cached_property
    def trials(self) -> dict[str, list[Trial]]:
        """Finished trials by candidate, whichever index ran them."""
        found: dict[str, list[Trial]] = {}
        for entry in self.entries.values():
            found.setdefault(entry.id, []).extend(entry.trials.values())
        return found

    @cached_property
    def roots(self) -> tuple[Entry, ...]:
        """Starting points of the lineage."""
        return tuple(e for e in self.candidates.values() if e.role == "root")

    @cached_property
    def lessons(self) -> tuple[LessonWritten, ...]:
        """Every candidate's last lesson, by rising index."""
        return tuple(e.lesson for e in self.candidates.values() if e.lesson is not None)

    @cached_property
    def parents(self) -> dict[str, tuple[str, ...]]:
        """Lineage: every candidate's parents. See memory.lineage."""
        return {id_: entry.candidate.parents for id_, entry in self.candidates.items()}

    @cached_property
    def started(self) -> frozenset[int]:
        """Indices on which work began."""
        return frozenset(self.openings)

    @cached_property
    def failed_proposals(self) -> dict[int, str]:
        """Indices that brought no candidate, and why."""
        return {
            index: event.reason
            for index, opening in self.openings.items()
            for event in opening
            if isinstance(event, ProposalFailed)
        }

    @cached_property
    def finished(self) -> frozenset[int]:
        """Indices whose last candidate has a verdict, or that brought none."""
        last = {entry.index: entry for entry in self.entries.values()}
        done = frozenset(i for i, e in last.items() if i >= 0 and e.verdict is not None)
        return done | frozenset(self.failed_proposals)

    @cached_property
    def in_flight(self) -> frozenset[int]:
        """Indices that were begun and not finished: to be taken up again, or marked lost."""
        return self.started - self.finished

    @property
    def next_index(self) -> int:
        """The index after the last one that was begun."""
        return max(self.started, default=-1) + 1

    @cached_property
    def spend(self) -> Spend:
        """What was used, as far as recorded."""
        trials = [t for found in self.trials.values() for t in found]
        costs = [t.measurement.cost if t.measurement else t.cost for t in trials]
        return Spend(
            wall_seconds=sum(
                (s.wall_seconds for s in self.sessions if isinstance(s, SessionClosed)), 0.0
            ),
            cpu_seconds=sum((cost.cpu_seconds for cost in costs if cost), 0.0),
            n_candidates=sum(index >= 0 for index, _ in self.entries),
            n_trials=len(trials),
        )

    def before(self, index: int) -> State:
        """Keep only what candidates below an index, and the campaign itself (roots), produced.

        Its entries come by rising index.
        """
        index = max(index, 0)
        kept = [(key, entry) for key, entry in self.entries.items() if entry.index < index]
        kept.sort(key=lambda item: item[1].index)
        return State(
            entries={key: entry.before(index) for key, entry in kept},
            openings={i: opening for i, opening in self.openings.items() if i < index},
            sessions=self.sessions,
            places=self._places,
        )

    def only(self, wanted: Callable[[int], bool]) -> State:
        """Keep only some indices, and what the campaign itself (roots) produced."""
        return State(
            entries={k: e for k, e in self.entries.items() if e.index < 0 or wanted(e.index)},
            openings={i: o for i, o in self.openings.items() if wanted(i)},
            sessions=self.sessions,
            places=self._places,
        )


def fold(events: Iterable[Event], *, start: State | None = None) -> State:
    """Add events to what is known.

    Raises:
        LedgerError: an event is about a candidate that was never brought in (`Ledger.append`
            refuses those).
    """
    start = start or State()
    entries = dict(start.entries)
    openings = dict(start.openings)
    sessions = start.sessions
    places = dict(start._places)  # noqa: SLF001 - of the class above
    for event in events:
        if isinstance(event, Session):
            sessions += (event,)
        elif isinstance(event, Conversation):
            continue
        elif isinstance(event, Opening):
            openings[event.index] = (*openings.get(event.index, ()), event)
        else:
            _tell(entries, places, event)
    return State(entries=entries, openings=openings, sessions=sessions, places=places)


def _tell(
    entries: dict[tuple[int, str], Entry], places: dict[str, tuple[int, ...]], event: Event
) -> None:
    id_ = subject(event) or ""
    key = (event.index, id_)
    if key in entries:
        entries[key] = replace(entries[key], events=(*entries[key].events, event))
    elif candidate := introduces(event):
        entries[key] = Entry(index=event.index, candidate=candidate, events=(event,))
        places[id_] = tuple(dict.fromkeys((*places.get(id_, ()), event.index)))
    elif known := [(i, id_) for i in places.get(id_, ()) if (i, id_) in entries]:
        first = entries[min(known)]
        entries[first.index, id_] = replace(first, events=(*first.events, event))
    else:
        raise LedgerError(f"{type(event).__name__} is about candidate {id_!r}, never brought in")
