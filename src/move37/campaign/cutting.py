"""The learning-curve cut: ends a search training that diverges or is hopeless by the baseline.

It uses what training children print, so it only ever shortens a run; claims come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from move37.campaign.workshop import Workshop
from move37.core.candidate import Candidate
from move37.core.trial import Outcome, Stage, TrialSpec
from move37.evidence.curves import CurveRules, decide_curve
from move37.lab.trials import Cut

Points = list[tuple[int, float]]


def cut_of(workshop: Workshop, candidate: Candidate, seed: int) -> Cut | None:
    """Return when a candidate's search training with that seed ends early; None: never."""
    above = workshop.config.evidence.cut_above
    if not above:
        return None
    rules = CurveRules(hopeless_above=above)
    total_steps = workshop.preset.training.total_steps
    baseline = recorded_curve(workshop, workshop.baseline.id, seed)
    earlier = recorded_curve(workshop, candidate.id, seed)

    def cut(points: Sequence[tuple[int, float]]) -> tuple[Outcome, str] | None:
        # where the weights of a rung are lost, training begins anew at steps that are on record
        before = [point for point in earlier if not points or point[0] < points[0][0]]
        decision = decide_curve([*before, *points], baseline, total_steps=total_steps, rules=rules)
        if not decision.stop:
            return None
        return Outcome.DIVERGED if decision.diverged else Outcome.HOPELESS, decision.reason

    return cut


def recorded_curve(workshop: Workshop, candidate_id: str, seed: int) -> Points:
    """Return (step, loss) over all rungs of the search that were completed with that seed."""
    points: dict[int, float] = {}
    for level in sorted({workshop.level(r) for r in range(len(workshop.preset.rungs))}):
        spec = TrialSpec(candidate_id=candidate_id, stage=Stage.SEARCH, rung=level, seed=seed)
        finished = workshop.ledger.trial(spec)
        if finished and finished.trial.measurement:
            points |= dict(finished.trial.measurement.curve)
    return sorted(points.items())
