"""How others decide from a sweep whether more thinking does harm: published rules, as read.

To be set beside the tests of `trend.py`, on solvers whose truth is known. None of them compares an
item with itself. Outcomes are N items by L efforts, in rising order.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from move37.guards.trend import Array, centred

SMALLEST_CHANGE = 0.02
"""Of accuracy; A. P. Gema et al., arXiv 2507.14417, table 1."""
SPEARMAN_CRITICAL = 0.878
"""Of five levels: two-sided 5 % by Student's distribution with three degrees of freedom."""


def ends_differ(outcomes_NL: Array) -> bool:
    """Whether the last effort is worse than the first by more than 2 points, intervals apart.

    The rule of table 1 of arXiv 2507.14417, read as first against last; 1.96 standard errors.
    """
    n = len(outcomes_NL)
    mean_L = outcomes_NL.mean(axis=0)
    half_L = 1.96 * outcomes_NL.std(axis=0, ddof=1) / n**0.5
    is_apart = mean_L[0] - half_L[0] > mean_L[-1] + half_L[-1]
    return bool(is_apart and mean_L[0] - mean_L[-1] > SMALLEST_CHANGE)


def ranks_fall(outcomes_NL: Array) -> bool:
    """Whether Spearman's correlation of five mean accuracies with effort is negative at 5 %.

    The helper in the code of arXiv 2507.14417.
    """
    mean_L = outcomes_NL.mean(axis=0)
    if len(mean_L) != 5:
        raise ValueError(f"the critical value is that of 5 efforts, got {len(mean_L)}")
    more_LL = np.sign(mean_L[:, None] - mean_L[None])
    ranks_L = more_LL.sum(axis=1) / 2  # equal ones share the mean of their ranks
    spread = float((ranks_L**2).sum()) ** 0.5
    if spread == 0:
        return False
    return float(ranks_L @ centred(5)) / (spread * 10**0.5) < -SPEARMAN_CRITICAL


def slope_falls(outcomes_NL: Array, *, level: float = 0.05) -> bool:
    """Whether a straight line through the accuracies falls, as if every answer were another item's.

    Source: P. Armitage, "Tests for Linear Trends in Proportions and Frequencies", 1955.
    """
    n, n_levels = outcomes_NL.shape
    x_L = centred(n_levels)
    share = float(outcomes_NL.mean())
    variance = share * (1 - share) * n * float(x_L @ x_L)
    if variance <= 0:
        return False
    score = float((outcomes_NL @ x_L).sum())
    return NormalDist().cdf(score / variance**0.5) < level


RULES = {
    "first against last (table 1)": ends_differ,
    "Spearman of means (their code)": ranks_fall,
    "slope without pairing": slope_falls,
}


def share(rule: str, sweeps_SNL: NDArray[np.float64]) -> float:
    """Return the share of sweeps in which a rule finds a fall."""
    return float(np.mean([RULES[rule](sweep) for sweep in sweeps_SNL]))
