"""What a screen shows of a campaign while it runs, folded from its events."""

from __future__ import annotations

from move37.campaign.progress import fold
from move37.core.candidate import Candidate, Idea
from move37.core.claims import Effect, Verdict, VerdictKind
from move37.core.events import CandidateProposed, VerdictReached

LAYER = Candidate.of("class Mixer: ...\n", Idea(name="layer", motivation="", mechanism=""))


def reached(kind: VerdictKind) -> VerdictReached:
    effect = Effect(mean=2.0, low=1.0, high=3.0, n_pairs=4)
    verdict = Verdict(kind=kind, reason="", effect=effect)
    return VerdictReached(index=0, candidate_id=LAYER.id, verdict=verdict)


def test_a_layer_that_is_refuted_leaves_the_gallery():
    told = [
        CandidateProposed(index=0, candidate=LAYER, operator="mutate"),
        reached(VerdictKind.CONFIRMED),
    ]
    assert set(fold(told).gallery) == {LAYER.id}
    assert fold([*told, reached(VerdictKind.VERIFIED)]).gallery.keys() == {LAYER.id}
    assert fold([*told, reached(VerdictKind.REFUTED)]).gallery == {}
