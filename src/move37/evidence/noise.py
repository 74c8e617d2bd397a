"""The noise floor: how far two runs of the same layer differ when only the seed changes.

Measured from replicates of the baseline (or of several mixers, pooled). It is the unit of combined
effects and the width that any single-seed claim must respect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from move37.evidence.inputs import EvidenceError, finite_array, probability
from move37.evidence.intervals import is_constant, sample_deviation


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseFloor:
    """A standard deviation over seeds with its interval, in the metric's unit."""

    deviation: float
    low: float
    high: float
    """Ends of the two-sided interval at `confidence`, for Gaussian seed noise."""
    degrees: int
    """Degrees of freedom: replicates minus one, summed over the mixers pooled."""
    confidence: float = 0.95


def pooled_noise(
    replicates: Iterable[Mapping[int, float]], *, confidence: float = 0.95
) -> NoiseFloor:
    """Return the seed-to-seed deviation within mixers: sqrt(sum (n_i - 1) s_i^2 / sum (n_i - 1)).

    Replicates that do not differ at all give 0 with the interval [0, 0]: a saturated or blind
    metric has no noise floor and cannot be the unit of anything.

    Args:
        replicates: per mixer, seed -> metric; sign and order do not matter. Mixers with one
            replicate carry no information.
        confidence: of the chi-square interval.

    Raises:
        EvidenceError: no mixer has two replicates, or a score is not finite.

    Source: (n-1) s^2 / sigma^2 follows chi-square with n-1 degrees for Gaussian noise (R. A.
    Fisher).
    """
    from scipy.special import chdtri

    groups = [finite_array(group.values(), "replicate scores") for group in replicates]
    groups = [group for group in groups if len(group) > 1]
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        raise EvidenceError("a noise floor needs two replicates of one mixer; train more seeds")
    squares = math.fsum(
        (len(group) - 1) * sample_deviation(group) ** 2
        for group in groups
        if not is_constant(group)
    )
    tail = (1.0 - probability(confidence, "confidence")) / 2.0
    return NoiseFloor(
        deviation=math.sqrt(squares / degrees),
        low=math.sqrt(squares / float(chdtri(degrees, tail))),
        high=math.sqrt(squares / float(chdtri(degrees, 1.0 - tail))),
        degrees=degrees,
        confidence=confidence,
    )
