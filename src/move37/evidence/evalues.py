"""Evidence against "this candidate is no better than the baseline", valid under optional stopping.

An e-value is a non-negative number whose expectation under the null hypothesis is at most 1, so 1/e
bounds the chance of seeing that much by luck; large means evidence. An e-process stays valid when
the number of seeds is decided while looking at the results.

`log_t_process` assumes Gaussian paired differences and is strong from 4 seeds on.
`log_sign_process` assumes only that the median difference is not above 0 and needs 6 to 8 seeds.
docs/evidence.md says what happens to the first when its assumption fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from move37.evidence.inputs import finite_array

EFFECT_PRIOR = np.geomspace(1.0, 8.0, 13)
"""Standardised effects (mean / deviation of one paired difference) that the test bets on, equal
weights. Measured (tests/evidence/test_evalues.py): a true effect of 4 deviations reaches e = 33,
what e-LOND asks of the first test at 5 %, by seed 5 in 98 % of cases; 2 deviations by seed 8 in
89 %."""
SIGN_PRIOR_SHARE = 0.5
SIGN_PRIOR_RATE = 0.98
"""Half of the sign bet expects 98 % of seeds to be better, half is spread evenly over 50 % to
100 %; assumed: chosen so that six better seeds out of six give e >= 33."""
MAX_LOG = 700.0
"""exp() of more is not a finite float."""


def t_e_value(differences: Iterable[float]) -> float:
    """Return the e-value of all paired differences under `log_t_process`; 1 without differences."""
    return _last(log_t_process(differences))


def sign_e_value(differences: Iterable[float]) -> float:
    """Return the e-value of all paired differences under `log_sign_process`; 1 without any."""
    return _last(log_sign_process(differences))


def log_t_process(differences: Iterable[float]) -> np.ndarray:
    """Log e-value after each seed against H0: the mean difference is <= 0, variance unknown.

    The process is the likelihood ratio of what does not depend on the scale of the differences,
    averaged over EFFECT_PRIOR. With S the sum and V the sum of squares of the first n differences
    and T = S / sqrt(V), the ratio at standardised effect delta is

        exp(-n delta^2 / 2) * E[exp(delta T R)],   R ~ chi with n degrees of freedom,

    which equals the ratio of the noncentral to the central t density at the t statistic.

    Validity. At mean 0 it is a martingale in the filtration of scale-free statistics, so its
    expectation is at most 1 at any stopping time that looks at these only; every stopping rule in
    `confirmation.py` does. For a mean below 0, shifting each difference up to mean 0 leaves the
    spread as it is and raises T at every n, so the path lies below that of a mean-0 sequence: by
    Ville's inequality P(it ever reaches x) <= 1/x for all means <= 0, under any way of stopping.

    The first difference alone gives at most 2 (only its sign is free of scale). Differences that
    are all exactly 0 (a candidate that is the baseline in disguise) give 1: no evidence either
    way.

    Args:
        differences: (n,) in the order in which the seeds were planned; positive is better.

    Returns:
        (n,) natural logarithms; entry i uses the first i+1 differences.

    Raises:
        EvidenceError: a difference is not finite.

    Sources: T. L. Lai, "On confidence sequences", Annals of Statistics 4(2), 1976; H. Wang and
    A. Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
    variance", arXiv 2310.03722 (martingale in the reduced filtration); M. F. Pérez-Ortiz et al.,
    "E-statistics, group invariance and anytime valid testing", arXiv 2208.07610. The discrete
    one-sided mixture is ours: an average of e-processes is one.
    """
    values = finite_array(differences, "paired differences")
    values = values / (np.abs(values).max(initial=0.0) or 1.0)
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    statistics = sums / np.sqrt(np.where(squares > 0, squares, 1.0))
    logs = [log_t_e(n, statistics[n - 1 : n])[0] for n in range(1, len(values) + 1)]
    return np.where(squares > 0, np.array(logs), 0.0)


def log_t_e(n: int, statistic: np.ndarray) -> np.ndarray:
    """Log e-value for n differences with T = sum / sqrt(sum of squares); rises with T.

    Exact for T >= 0. For T < 0 it is Jensen's lower bound, which keeps the process valid and costs
    nothing: such e-values are below 1 anyway.

    Args:
        n: number of differences, >= 1.
        statistic: any shape; each in [-sqrt(n), sqrt(n)].

    Returns:
        The same shape.
    """
    from scipy.special import logsumexp

    slope = np.asarray(statistic, dtype=np.float64)[..., None] * EFFECT_PRIOR
    log_ratio = _log_chi_moment(n, slope) - n * EFFECT_PRIOR**2 / 2.0
    return logsumexp(log_ratio, axis=-1) - math.log(len(EFFECT_PRIOR))


def log_sign_process(differences: Iterable[float]) -> np.ndarray:
    """Log e-value after each seed against H0: no seed is more likely better than worse.

    A bet on the sign: with p the chance that a seed is better, each better seed multiplies the
    stake by 2p and each worse one by 2(1-p); the stake is spread over p > 1/2 (see
    SIGN_PRIOR_RATE). Seeds with difference exactly 0 are no bet. It needs no distribution: it
    holds under any dependence of size, any tails, and if each seed's chance of being better, given
    the past, is at most 1/2. Six seeds out of six give 37, which no sign test can reach with five
    (2^5 = 32).

    Args:
        differences: (n,) in the order in which the seeds were planned.

    Returns:
        (n,) natural logarithms.

    Raises:
        EvidenceError: a difference is not finite.

    Source: G. Shafer, "Testing by betting", JRSS A 184(2), 2021; the mixture is ours.
    """
    from scipy.special import betainc, betaln

    values = finite_array(differences, "paired differences")
    better, worse = np.cumsum(values > 0), np.cumsum(values < 0)
    point = better * math.log(2 * SIGN_PRIOR_RATE) + worse * math.log(2 * (1 - SIGN_PRIOR_RATE))
    # integral of 2 * (2p)^better * (2(1-p))^worse over p in [1/2, 1]
    upper = betainc(worse + 1.0, better + 1.0, 0.5)
    spread = (better + worse + 1) * math.log(2.0) + betaln(better + 1.0, worse + 1.0)
    spread = spread + np.log(upper)
    return np.logaddexp(
        math.log(SIGN_PRIOR_SHARE) + point, math.log(1.0 - SIGN_PRIOR_SHARE) + spread
    )


def _last(log_process: np.ndarray) -> float:
    return math.exp(min(float(log_process[-1]), MAX_LOG)) if len(log_process) else 1.0


def _log_chi_moment(n: int, slope: np.ndarray) -> np.ndarray:
    """Log of E[exp(a R)], R ~ chi with n degrees: exact for slopes a >= 0, a lower bound below.

    With J_k the integral of r^(k-1) exp(-r^2/2 + a r) over r > 0: J_1 = sqrt(2 pi) exp(a^2/2)
    Phi(a), J_2 = 1 + a J_1, and J_(k+2) = a J_(k+1) + k J_k by parts. For a >= 0 all terms are
    positive, so the ratios J_(k+1) / J_k are stable; for a < 0 they would cancel, and exp(a E[R])
    stands in.
    """
    from scipy.special import gammaln, log_ndtr

    up = np.maximum(slope, 0.0)
    log_integral = 0.5 * math.log(2 * math.pi) + up**2 / 2 + log_ndtr(up)
    ratio = up + np.exp(-log_integral)
    for k in range(1, n):
        log_integral = log_integral + np.log(ratio)
        ratio = up + k / ratio
    exact = log_integral - (n / 2 - 1) * math.log(2.0) - gammaln(n / 2)
    mean = math.sqrt(2.0) * math.exp(gammaln((n + 1) / 2) - gammaln(n / 2))
    return np.where(slope >= 0, exact, slope * mean)
