"""What may flow from one model to another: one function decides, and gives its reason.

What was found: traits pass through weight updates on a relative's answers and through preference
labels; text in a context was not found to carry them (arXiv 2507.14805). So training edges between
relatives are denied, relatives do not judge each other, and text flows with its provenance.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from move37.guards.families import NOT_MODELS, Roster


class EdgeKind(StrEnum):
    """In what form something flows."""

    CONTEXT = "context"
    FINE_TUNING = "fine-tuning"
    DISTILLATION = "distillation"
    PREFERENCE = "preference"
    WARM_START = "warm-start"
    JUDGING = "judging"


TRAINING = frozenset({EdgeKind.FINE_TUNING, EdgeKind.DISTILLATION, EdgeKind.PREFERENCE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """Something flows. For judging, the producer is the author, and the consumer judges.

    For a warm start both are candidates' ids.
    """

    producer: str
    consumer: str
    kind: EdgeKind
    authors: tuple[str, str] = ("", "")
    """Of a warm start: who wrote the producer, and who the consumer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The answer, and why."""

    edge: Edge
    allowed: bool
    reason: str


def decide(edge: Edge, roster: Roster) -> Decision:
    """Return whether an edge is allowed. Every edge of move37 is decided here.

    For a warm start, producer and consumer are candidates' ids: trained weights may be gone on
    with by the candidate that they belong to, and by nobody else, whoever wrote the two; the reason
    says if their authors are relatives.
    """
    allowed, reason = _answer(edge, roster)
    return Decision(edge=edge, allowed=allowed, reason=reason)


def _answer(edge: Edge, roster: Roster) -> tuple[bool, str]:
    if edge.kind is EdgeKind.WARM_START:
        if edge.producer == edge.consumer:
            return True, "its own weights of an earlier rung"
        relation = roster.relation(*edge.authors)
        kin = f", by a relative of its author ({relation.reason})" if relation.related else ""
        return False, f"weights of another candidate{kin}: its traits would come"
    if edge.kind is EdgeKind.CONTEXT:
        beside = "; its author is quarantined" if roster.quarantine(edge.producer) else ""
        return True, f"text in a context, with its provenance{beside}"
    if edge.kind is EdgeKind.JUDGING and (quarantined := roster.quarantine(edge.consumer)):
        return False, quarantined
    if edge.kind in TRAINING:
        if edge.consumer in NOT_MODELS:
            return False, "the student is not named: name a model"
        if quarantined := roster.quarantine(edge.producer):
            return False, quarantined
    relation = roster.relation(edge.producer, edge.consumer, judging=edge.kind is EdgeKind.JUDGING)
    return not relation.related, relation.reason
