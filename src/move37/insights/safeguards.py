"""What the guards did in a campaign: diversity, relations used, effort and its outcomes, alarms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from move37.core.events import (
    AlarmRaised,
    CallEnded,
    CallJudged,
    DatasetExported,
    DiversityStated,
    EdgeDecided,
    Event,
    FamilyQuarantined,
    JudgementRevised,
    ModelCalled,
    QuarantineLifted,
)
from move37.core.team import EFFORTS
from move37.insights.components import share_interval

Guarded = (
    DiversityStated
    | EdgeDecided
    | AlarmRaised
    | FamilyQuarantined
    | QuarantineLifted
    | JudgementRevised
    | DatasetExported
    | ModelCalled
    | CallEnded
    | CallJudged
)
"""Events that guards write, and those that they look at."""
Kind = TypeVar("Kind")
N_REFUSED = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """One model in one role."""

    role: str
    model: str
    family: str
    """As declared or told from its name; empty if not known."""
    n_conversations: int
    n_answered: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EffortRow:
    """What came of one role's calls at one effort."""

    role: str
    model: str
    effort: str
    n_calls: int
    measure: str
    n_judged: int
    n_success: int
    low: float
    high: float
    """95 % interval of the share of successes (Wilson)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeRow:
    """The firewall's answers of one kind."""

    kind: str
    n_allowed: int
    n_refused: int
    reasons: str
    """Of the refusals, the most frequent first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineRow:
    """One family of base models that was set apart."""

    family: str
    by: str
    index: int
    reason: str
    n_descendants: int
    """Candidates that descended from it when it was set apart."""
    lifted_at: int | None
    """Candidate from which it counts again; None: it does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Safeguards:
    """Everything that the report says about guards."""

    diversity: DiversityStated | None
    models: tuple[ModelRow, ...]
    efforts: tuple[EffortRow, ...]
    edges: tuple[EdgeRow, ...]
    refused: tuple[EdgeDecided, ...]
    """The first of them."""
    n_refused: int
    alarms: tuple[AlarmRaised, ...]
    quarantines: tuple[QuarantineRow, ...]
    revised: tuple[tuple[str, int], ...]
    """How judgements were revised, and how many."""
    exports: tuple[DatasetExported, ...]
    has_models: bool
    """Whether guards had language models to look at; weights are gone on from without any."""


def safeguards(events: Iterable[Event]) -> Safeguards | None:
    """Return what the guards did; None where they had nothing to decide."""
    told = [event for event in events if isinstance(event, Guarded)]
    if not told:
        return None
    edges, ended = _of(EdgeDecided, told), _of(CallEnded, told)
    refused = [edge for edge in edges if not edge.allowed]
    stated = _of(DiversityStated, told)
    revised = Counter(event.how.replace("_", " ") for event in _of(JudgementRevised, told))
    return Safeguards(
        diversity=stated[-1] if stated else None,
        models=tuple(_model_rows(_of(ModelCalled, told), ended)),
        efforts=tuple(_effort_rows(ended, _of(CallJudged, told))),
        edges=tuple(_edge_rows(edges)),
        refused=tuple(refused[:N_REFUSED]),
        n_refused=len(refused),
        alarms=tuple(_of(AlarmRaised, told)),
        quarantines=tuple(_quarantine_rows(told)),
        revised=tuple(sorted(revised.items())),
        exports=tuple(_of(DatasetExported, told)),
        has_models=any(not _is_warm_start(event) for event in told),
    )


def _is_warm_start(event: Event) -> bool:
    return isinstance(event, EdgeDecided) and event.kind == "warm-start"


def _of(kind: type[Kind], events: Iterable[Event]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def _quarantine_rows(events: Iterable[Event]) -> list[QuarantineRow]:
    rows: list[QuarantineRow] = []
    for event in events:
        match event:
            case FamilyQuarantined():
                rows.append(
                    QuarantineRow(
                        family=event.family, by=event.by, index=event.index, reason=event.reason,
                        n_descendants=len(event.descendants), lifted_at=None,
                    )
                )  # fmt: skip
            case QuarantineLifted(family=family, index=index):
                rows = [
                    replace(row, lifted_at=index)
                    if row.family == family and row.lifted_at is None
                    else row
                    for row in rows
                ]
            case _:
                pass
    return rows


def _model_rows(called: list[ModelCalled], ended: list[CallEnded]) -> list[ModelRow]:
    families = {(e.role, e.model): e.family for e in called}
    counts = Counter((e.role, e.model) for e in ended)
    answered = Counter((e.role, e.model) for e in ended if e.outcome == "answered")
    return [
        ModelRow(
            role=role,
            model=model,
            family=families.get((role, model), ""),
            n_conversations=counts[role, model],
            n_answered=answered[role, model],
        )
        for role, model in sorted(families.keys() | counts.keys())
    ]


def _effort_rows(ended: list[CallEnded], judged: list[CallJudged]) -> list[EffortRow]:
    calls = {e.call_id: e for e in ended}
    n_calls = Counter((e.role, e.model, e.effort) for e in ended)
    outcomes: defaultdict[tuple[str, str, str], dict[str, list[bool]]] = defaultdict(dict)
    for fact in judged:
        if call := calls.get(fact.call_id):
            known = outcomes[call.role, call.model, call.effort]
            known.setdefault(fact.measure, []).append(fact.success)
    rows = []
    for role, model, effort in sorted(n_calls, key=_by_effort):
        known = outcomes[role, model, effort] or {"": []}
        for measure, successes in sorted(known.items()):
            low, high = share_interval(sum(successes), len(successes))
            rows.append(
                EffortRow(
                    role=role, model=model, effort=effort, n_calls=n_calls[role, model, effort],
                    measure=measure.replace("_", " "), n_judged=len(successes),
                    n_success=sum(successes), low=low, high=high,
                )
            )  # fmt: skip
    return rows


def _by_effort(key: tuple[str, str, str]) -> tuple[str, str, int, str]:
    role, model, effort = key
    known = [str(level) for level in EFFORTS]
    return role, model, known.index(effort) if effort in known else -1, effort


def _edge_rows(edges: list[EdgeDecided]) -> list[EdgeRow]:
    kinds: defaultdict[str, list[EdgeDecided]] = defaultdict(list)
    for edge in edges:
        kinds[edge.kind].append(edge)
    return [
        EdgeRow(
            kind=kind,
            n_allowed=sum(edge.allowed for edge in of),
            n_refused=sum(not edge.allowed for edge in of),
            reasons=", ".join(
                f"{reason} ({n})"
                for reason, n in Counter(e.reason for e in of if not e.allowed).most_common(3)
            ),
        )
        for kind, of in sorted(kinds.items())
    ]
