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
    """Something flows. For judging, the producer is the author, and the consumer judges."""

    producer: str
    consumer: str
    kind: EdgeKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The answer, and why."""

    edge: Edge
    allowed: bool
    reason: str


def decide(edge: Edge, roster: Roster) -> Decision:
    """Return whether an edge is allowed. Every edge of move37 is decided here.

    For a warm start, producer and consumer are candidates' ids: trained weights may be gone on
    with by the candidate that they belong to, and by nobody else.
    """

    def answer(*, allowed: bool, reason: str) -> Decision:
        return Decision(edge=edge, allowed=allowed, reason=reason)

    if edge.kind is EdgeKind.WARM_START:
        if edge.producer == edge.consumer:
            return answer(allowed=True, reason="its own weights of an earlier rung")
        return answer(allowed=False, reason="weights of another candidate: its traits would come")
    if edge.kind is EdgeKind.CONTEXT:
        return answer(allowed=True, reason="text in a context, with its provenance")
    relation = roster.relation(edge.producer, edge.consumer, judging=edge.kind is EdgeKind.JUDGING)
    if edge.kind in TRAINING and edge.consumer in NOT_MODELS:
        return answer(allowed=False, reason="the student is not named: name a model")
    return answer(allowed=not relation.related, reason=relation.reason)
