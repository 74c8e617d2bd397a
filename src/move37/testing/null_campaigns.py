"""Whole campaigns of confirmations under e-LOND, simulated at once; null ones among them.

Tests hold the gallery's level to it, bench/evidence_power.py draws it. It is a
vectorised twin of `confirmation.assess` and `fdr.judge`; tests/evidence/test_fdr.py compares them
decision by decision.
"""

from __future__ import annotations

import math

import numpy as np

from move37.evidence.evalues import log_t_e
from move37.evidence.fdr import gamma

ALPHA = 0.05
SEEDS = range(4, 9)
GRID = np.linspace(-1, 1, 4001)
LOG_E = {n: log_t_e(n, GRID * math.sqrt(n)) for n in SEEDS}
"""Seeds -> log e-value over GRID: the sum of n differences by the root of n times their squares."""


def simulate(
    is_real_CT: np.ndarray, effect: float, seed: int, *, shared: float = 0.0
) -> np.ndarray:
    """Return which tests are admitted: C campaigns, T confirmations of 4 to 8 seeds each, [C, T].

    Args:
        is_real_CT: which candidates have the effect; the others have none.
        effect: in deviations of one paired difference.
        seed: of the random differences.
        shared: part of a difference's variance that all tests of a campaign have in common: the
            luck of the baseline on each fresh seed.
    """
    rng = np.random.default_rng(seed)
    most = max(SEEDS)
    own_CTN = rng.normal(size=(*is_real_CT.shape, most))
    baseline_C1N = rng.normal(size=(len(is_real_CT), 1, most))
    noise_CTN = math.sqrt(1 - shared) * own_CTN + math.sqrt(shared) * baseline_C1N
    x_CTN = noise_CTN + effect * is_real_CT[..., None]
    squares_CTN = (x_CTN**2).cumsum(-1) * np.arange(1, most + 1)
    share_CTN = x_CTN.cumsum(-1) / np.sqrt(squares_CTN)
    log_e_CT = np.max([np.interp(share_CTN[..., n - 1], GRID, LOG_E[n]) for n in SEEDS], axis=0)
    admitted_CT = np.zeros(is_real_CT.shape, bool)
    found_C = np.zeros(len(is_real_CT))
    for t in range(is_real_CT.shape[1]):
        level_C = ALPHA * gamma(t + 1) * (found_C + 1)
        admitted_CT[:, t] = log_e_CT[:, t] + np.log(level_C) >= 0
        found_C += admitted_CT[:, t]
    return admitted_CT
