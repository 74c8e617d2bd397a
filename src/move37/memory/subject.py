"""Which candidate an event is about, and by which facts an event is found again."""

from __future__ import annotations

from dataclasses import fields

from move37.core.candidate import Candidate
from move37.core.events import (
    CandidateProposed,
    CandidateRepaired,
    Event,
    JudgementGiven,
    JudgementRevised,
    LessonWritten,
    NoveltyJudged,
    ProbesRan,
    RecordImported,
    RootAdded,
    RungDecided,
    TrialFinished,
    TrialStarted,
    VerdictReached,
)


def introduces(event: Event) -> Candidate | None:
    """Return the candidate that an event brings in, if it brings one in."""
    match event:
        case RootAdded() | CandidateProposed() | CandidateRepaired():
            return event.candidate
    return None


def subject(event: Event) -> str | None:
    """Return the id of the candidate that an event tells something about; None if of no one."""
    match event:
        case (
            NoveltyJudged()
            | ProbesRan()
            | RungDecided()
            | VerdictReached()
            | JudgementGiven()
            | JudgementRevised()
            | LessonWritten()
            | RecordImported()
        ):
            return event.candidate_id
        case TrialStarted():
            return event.spec.candidate_id
        case TrialFinished():
            return event.trial.spec.candidate_id
    candidate = introduces(event)
    return candidate.id if candidate else None


def facts(event: Event) -> dict[str, object]:
    """Return what an event can be matched by: its fields, `candidate_id`, `parent` and `spec`."""
    known = {f.name: getattr(event, f.name) for f in fields(event)}
    if (candidate_id := subject(event)) is not None:
        known["candidate_id"] = candidate_id
    if candidate := introduces(event):
        known["parent"] = candidate.parents[0] if candidate.parents else None
    if isinstance(event, TrialFinished):
        known["spec"] = event.trial.spec
    return known
