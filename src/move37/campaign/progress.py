"""What a watcher wants to know about a campaign, folded from its events. For every surface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from move37.core.claims import Effect, VerdictKind
from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CandidateProposed,
    CandidateRepaired,
    DiversityStated,
    Event,
    ModelCalled,
    NoveltyJudged,
    ProbesRan,
    ProposalFailed,
    RootAdded,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)
from move37.core.trial import Outcome, Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The state of a campaign on one screen."""

    n_candidates: int = 0
    n_trials: int = 0
    n_repairs: int = 0
    n_repeats: int = 0
    """Proposals that were not novel."""
    failures: Counter[str] = field(default_factory=Counter)
    """Kind -> count: outcomes of probes and trials, and why proposals gave no candidate."""
    standings: dict[str, str] = field(default_factory=dict)
    """Candidate -> kind of its last verdict; roots are left out."""
    names: dict[str, str] = field(default_factory=dict)
    best_id: str = ""
    best_effect: Effect | None = None
    """Best search effect so far: optimistic, for watching only."""
    gallery: dict[str, Effect] = field(default_factory=dict)
    """Confirmed candidates and their effect on fresh seeds."""
    running: dict[int, str] = field(default_factory=dict)
    """Candidate index -> what is going on."""
    n_requests: int = 0
    """To language models, tries counted."""
    n_reply_errors: int = 0
    """Conversations that gave nothing usable."""
    tokens: int = 0
    dollars: float = 0.0
    is_priced: bool = True
    """Whether every request had a known price."""
    diversity: str = ""
    """Of the team's models, where it is less than full."""
    alarms: tuple[str, ...] = ()
    """What the guards found, in words."""

    @property
    def verdicts(self) -> Counter[str]:
        """How many candidates stand where."""
        return Counter(self.standings.values())


def fold(events: Iterable[Event], start: Progress | None = None) -> Progress:
    """Return the progress after these events. Resumable: a start may hold the earlier ones."""
    progress = start or Progress()
    for event in events:
        progress = advance(progress, event)
    return progress


def advance(progress: Progress, event: Event) -> Progress:
    """Return the progress after one more event."""
    match event:
        case RootAdded(candidate=candidate):
            return replace(progress, names=progress.names | {candidate.id: candidate.idea.name})
        case CandidateProposed(index=index, candidate=candidate):
            return replace(
                progress,
                n_candidates=progress.n_candidates + 1,
                names=progress.names | {candidate.id: candidate.idea.name},
                running=progress.running | {index: "probing"},
            )
        case CandidateRepaired(candidate=candidate):
            return replace(
                progress,
                n_repairs=progress.n_repairs + 1,
                names=progress.names | {candidate.id: candidate.idea.name},
            )
        case ProbesRan() | ProposalFailed():
            return replace(progress, failures=progress.failures + _failed(event))
        case TrialStarted(index=index, spec=spec):
            doing = {Stage.CONFIRM: "confirming", Stage.VERIFY: "verifying"}
            what = doing.get(spec.stage, f"rung {spec.rung}")
            return replace(progress, running=progress.running | {index: what})
        case TrialFinished(index=index, trial=trial):
            failed = Counter() if trial.outcome is Outcome.COMPLETED else Counter([trial.outcome])
            return replace(
                progress,
                n_trials=progress.n_trials + 1,
                failures=progress.failures + failed,
                running={i: what for i, what in progress.running.items() if i != index},
            )
        case VerdictReached():
            return _after_verdict(progress, event)
        case ModelCalled() | CallEnded() | AlarmRaised() | DiversityStated():
            return _after_words(progress, event)
        case NoveltyJudged():
            return replace(progress, n_repeats=progress.n_repeats + (not event.is_novel))
    return progress


def _failed(event: ProbesRan | ProposalFailed) -> Counter[str]:
    if isinstance(event, ProposalFailed):
        return Counter([event.failure])
    of_candidate = event.index >= 0  # not of a root, or of a layer beside the search
    return Counter([event.report.outcome] if of_candidate and not event.report.passed else [])


def _after_guards(progress: Progress, event: AlarmRaised | DiversityStated) -> Progress:
    if isinstance(event, AlarmRaised):
        words = f"{event.guard}: {event.role} {event.model}: {event.reason}"
        return replace(progress, alarms=(*progress.alarms, words))
    is_full = event.level == "full"
    return replace(progress, diversity="" if is_full else f"{event.level}: {event.reason}")


def _after_words(
    progress: Progress, event: ModelCalled | CallEnded | AlarmRaised | DiversityStated
) -> Progress:
    if isinstance(event, AlarmRaised | DiversityStated):
        return _after_guards(progress, event)
    if isinstance(event, CallEnded):
        n_errors = progress.n_reply_errors + (event.outcome != "answered")
        return replace(progress, n_reply_errors=n_errors)
    return replace(
        progress,
        n_requests=progress.n_requests + 1,
        tokens=progress.tokens + event.input_tokens + event.output_tokens,
        dollars=progress.dollars + event.dollars,
        is_priced=progress.is_priced and event.is_priced,
    )


def _after_verdict(progress: Progress, event: VerdictReached) -> Progress:
    verdict = event.verdict
    if event.index < 0:
        return progress
    progress = replace(
        progress,
        standings=progress.standings | {event.candidate_id: str(verdict.kind)},
        running={i: what for i, what in progress.running.items() if i != event.index},
    )
    if verdict.kind is VerdictKind.REFUTED and event.candidate_id in progress.gallery:
        kept = {id_: e for id_, e in progress.gallery.items() if id_ != event.candidate_id}
        progress = replace(progress, gallery=kept)
    if verdict.effect is None:
        return progress
    if verdict.kind is VerdictKind.CONFIRMED:
        return replace(progress, gallery=progress.gallery | {event.candidate_id: verdict.effect})
    is_search = verdict.kind in (VerdictKind.EXPLORED, VerdictKind.PROMOTED)
    best = progress.best_effect
    if is_search and event.fitness and (best is None or verdict.effect.mean > best.mean):
        return replace(progress, best_id=event.candidate_id, best_effect=verdict.effect)
    return progress
