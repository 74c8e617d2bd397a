"""Racing: after each rung, drop a candidate that will hardly beat the bar, or let it go on.

Model. The true effect at this rung and at the last one are jointly normal over the candidates of a
search; what is measured is the true effect plus Gaussian seed noise. So the final effect is a
straight line in the effect measured here, with a normal rest. The preset states that line; the
candidates of the campaign that went to the end correct it (Bayesian linear regression, the preset
counting as PRIOR_CANDIDATES of them). Who went on was chosen by the effect here, which biases a
correlation but not a regression on it. The rung reached last says it all (training continues from a
snapshot, so earlier rungs are on the way to it). Effects are combined paired effects in units of
noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.core.claims import RungChoice, RungDecision
from move37.evidence.inputs import (
    EvidenceError,
    finite_array,
    finite_number,
    positive_number,
)

PRIOR_CANDIDATES = 5  # that the preset's line is worth; assumed


@dataclass(frozen=True, kw_only=True, slots=True)
class RungModel:
    """What a rung tells about the last one, over the candidates of a search; in units of noise."""

    correlation: float
    """Of the true effects here and at the last rung, in [0, 1]; 1 at the last rung."""
    mean: float = 0.0
    """Mean true effect here."""
    spread: float = 2.0
    """Standard deviation of the true effect here; assumed until measured."""
    final_mean: float = 0.0
    final_spread: float = 2.0
    """The same at the last rung."""
    pairs: tuple[tuple[float, float], ...] = ()
    """(effect here, effect after the last rung) of the candidates that have both."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.correlation <= 1.0:
            raise EvidenceError(f"correlation must lie in [0, 1], got {self.correlation}")
        finite_number(self.mean, "mean")
        finite_number(self.final_mean, "final_mean")
        positive_number(self.spread, "spread")
        positive_number(self.final_spread, "final_spread")
        finite_array([effect for pair in self.pairs for effect in pair], "pairs")


@dataclass(frozen=True, kw_only=True, slots=True)
class RacingRules:
    """When to stop and when to promote."""

    drop_below: float = 0.1
    """Drop when the probability of beating the bar is below this (`EvidenceConfig.drop_below`)."""
    promote_from: float = 0.5
    """Promote after the last rung when the probability is at least this."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.drop_below <= self.promote_from <= 1.0:
            raise EvidenceError(
                f"racing needs 0 <= drop_below <= promote_from <= 1, got {self.drop_below} and "
                f"{self.promote_from}"
            )


def decide(
    differences: Sequence[float],
    *,
    bar: float,
    noise: float,
    rung: RungModel,
    is_last: bool,
    rules: RacingRules,
    whose: str = "",
) -> RungDecision:
    """Decide after a rung from the candidate's paired differences at that rung.

    Error rate: if the model holds, at most a share `drop_below` of the candidates dropped before
    the last rung would have beaten the bar, for any number of rungs and any bar, because each drop
    is made at a posterior probability below it. After the last rung, at most 1 - `promote_from` of
    the promoted ones are truly below the bar, by the same argument. With a model that is too sure
    (correlation stated above the true one) more good ones are lost; tests/evidence/test_racing.py
    measures both.

    Args:
        differences: combined paired difference per seed at this rung; any order, at least one.
        bar: effect at the last rung to beat, for example that of the best candidate so far.
        noise: standard deviation of one paired difference at this rung, > 0.
        rung: what this rung says about the last one.
        is_last: whether this is the last rung: then the choice is PROMOTE or DROP.
        rules: thresholds.
        whose: who has that effect, for the reason.

    Raises:
        EvidenceError: no difference, one that is not finite, a bar that is not finite, noise <= 0.

    Source: conditional normal distribution; successive halving: K. Jamieson and A. Talwalkar, 2016
    (arXiv 1502.07943); here the cut is a probability instead of a rank.
    """
    chance = beat_probability(differences, bar=bar, noise=noise, rung=rung)
    numbers = f"probability {chance:.2f} of ending above {bar:+.2f}{f' ({whose})' if whose else ''}"
    if is_last and chance >= rules.promote_from:
        choice, reason = RungChoice.PROMOTE, f"{numbers}, at least {rules.promote_from:.2f}"
    elif is_last:
        choice, reason = RungChoice.DROP, f"{numbers}, below {rules.promote_from:.2f}"
    elif chance < rules.drop_below:
        choice, reason = RungChoice.DROP, f"{numbers}, below {rules.drop_below:.2f}"
    else:
        choice, reason = RungChoice.GO_ON, f"{numbers}, at least {rules.drop_below:.2f}"
    return RungDecision(choice=choice, reason=reason, probability=chance)


def beat_probability(
    differences: Sequence[float], *, bar: float, noise: float, rung: RungModel
) -> float:
    """Return P(true effect at the last rung > bar | differences at this rung).

    See `forecast`.

    Raises:
        EvidenceError: as for `decide`.
    """
    from scipy.special import ndtr

    finite_number(bar, "bar")
    expected, deviation = forecast(differences, noise=noise, rung=rung)
    return float(ndtr((expected - bar) / deviation))


def forecast(differences: Sequence[float], *, noise: float, rung: RungModel) -> tuple[float, float]:
    """Return mean and standard deviation of the effect at the last rung.

    With x the mean of n differences and s^2 = spread^2 + noise^2 / n, the prior line is
    final_mean + correlation * spread * final_spread / s^2 * (x - mean), its rest has variance
    final_spread^2 * (1 - correlation^2 * spread^2 / s^2). Pairs update the line as PRIOR_CANDIDATES
    earlier ones with spread s would have been updated by them, and the rest likewise.

    Raises:
        EvidenceError: no difference, one that is not finite, noise <= 0.

    Source: conjugate normal regression: A. Gelman et al., "Bayesian Data Analysis", 3rd edition,
    2013, section 14.8, with the variance at its posterior estimate.
    """
    values = finite_array(differences, "paired differences")
    if len(values) == 0:
        raise EvidenceError("racing needs at least one paired difference; the rung has no pair")
    measured = math.fsum(values) / len(values)
    sampling = positive_number(noise, "noise") ** 2 / len(values)
    variance = rung.spread**2 + sampling
    slope = rung.correlation * rung.spread * rung.final_spread / variance
    unexplained = (1.0 - rung.correlation**2) * rung.spread**2 + sampling
    rest = rung.final_spread**2 * unexplained / variance
    if not rung.pairs:
        return rung.final_mean + slope * (measured - rung.mean), math.sqrt(rest)

    here_N, final_N = np.array(rung.pairs).T
    design_N2 = np.stack([np.ones_like(here_N), here_N - rung.mean], axis=1)
    prior_line = np.array([rung.final_mean, slope])
    prior_22 = PRIOR_CANDIDATES * np.diag([1.0, variance])
    weight_22 = prior_22 + design_N2.T @ design_N2
    line = np.linalg.solve(weight_22, prior_22 @ prior_line + design_N2.T @ final_N)
    misses = final_N - design_N2 @ line
    moved = line - prior_line
    squares = PRIOR_CANDIDATES * rest + misses @ misses + moved @ prior_22 @ moved
    rest = squares / (PRIOR_CANDIDATES + len(final_N))
    at = np.array([1.0, measured - rung.mean])
    deviation = math.sqrt(rest * (1.0 + at @ np.linalg.solve(weight_22, at)))
    return float(at @ line), deviation
