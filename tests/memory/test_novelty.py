"""What a novelty judgement says about the known candidate it is nearest to.

N1  A repeat is told what became of the known one in search.
N2  It is not told of a confirmation: that stays private, and the reason gets into lessons.
"""

from __future__ import annotations

from move37.core.candidate import Candidate, Idea
from move37.core.claims import Verdict, VerdictKind
from move37.core.events import CandidateProposed, Event, VerdictReached
from move37.memory.novelty import nearest
from move37.memory.state import fold

KNOWN = Candidate.of(
    "class Mixer: ...\n", Idea(name="known", motivation="because", mechanism="somehow")
)


def verdict(kind: VerdictKind, reason: str, *, level: float | None = None) -> VerdictReached:
    return VerdictReached(
        index=0, candidate_id=KNOWN.id, verdict=Verdict(kind=kind, reason=reason, level=level)
    )


def reason_after(*verdicts: Event) -> str:
    proposed = CandidateProposed(index=0, candidate=KNOWN, operator="x")
    return nearest(KNOWN, fold([proposed, *verdicts])).reason


def test_a_repeat_is_told_why_the_known_one_failed():
    """N1."""
    assert "looks ahead" in reason_after(verdict(VerdictKind.REJECTED, "looks ahead"))


def test_a_repeat_is_not_told_of_a_confirmation():
    """N2."""
    reason = reason_after(
        verdict(VerdictKind.PROMOTED, "beats the bar"),
        verdict(VerdictKind.EXPLORED, "fresh seeds say 0.03", level=0.01),
        verdict(VerdictKind.REFUTED, "fresh seeds say -0.5", level=0.01),
    )
    assert "promoted" in reason
    assert "fresh seeds" not in reason
    assert "refuted" not in reason
