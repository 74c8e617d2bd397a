"""How predictions fared: signs that came true, and the Brier score of the stated confidence."""

from __future__ import annotations

import math
from collections.abc import Iterable

from move37.team.protocols import Calibration, KnownCandidate


def score_predictions(knowns: Iterable[KnownCandidate]) -> Calibration | None:
    """Score every prediction that can be checked; None without one.

    A prediction of no effect (0) has no sign and is left out, as is a task without a result. A
    measured effect of exactly 0 fulfils no sign.
    """
    confidences: list[float] = []
    hits: list[bool] = []
    for known in knowns:
        for prediction in known.candidate.idea.predictions:
            effect = known.effects.get(prediction.task)
            if effect is not None and prediction.effect != 0:
                confidences.append(min(1.0, max(0.0, prediction.confidence)))
                hits.append(prediction.effect * effect.mean > 0)
    if not hits:
        return None
    n = len(hits)
    errors = [(c - hit) ** 2 for c, hit in zip(confidences, hits, strict=True)]
    return Calibration(
        n=n, hits=sum(hits), confidence=math.fsum(confidences) / n, brier=math.fsum(errors) / n
    )
