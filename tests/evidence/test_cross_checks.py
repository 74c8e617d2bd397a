"""Our numbers against statsmodels, which computes them by another way: regression.

X1  Mean paired effect and interval are those of a regression with one intercept a seed.
X2  The pooled noise is the residual deviation of a regression with one intercept a mixer.
X3  The t interval is the one-sample interval.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from move37.evidence.effects import paired_effect
from move37.evidence.intervals import t_interval
from move37.evidence.noise import pooled_noise

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 10), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_paired_effect_is_the_coefficient_of_a_regression_on_seeds(seed, n, confidence):
    """X1."""
    rng = np.random.default_rng(seed)
    baseline = rng.normal(0, 3, n)
    candidate = baseline + rng.normal(1, 0.5, n)
    ours = paired_effect(
        dict(enumerate(candidate)), dict(enumerate(baseline)), floor=1.0, confidence=confidence
    )
    is_candidate = np.repeat([1.0, 0.0], n)
    design = np.column_stack([is_candidate, np.tile(np.eye(n), (2, 1))])
    fitted = sm.OLS(np.concatenate([candidate, baseline]), design).fit()
    low, high = fitted.conf_int(1 - confidence)[0]
    assert ours.mean == pytest.approx(fitted.params[0], rel=1e-6, abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


@given(seeds, st.lists(st.integers(2, 6), min_size=1, max_size=4))
def test_pooled_noise_is_the_residual_deviation_of_a_regression_on_mixers(seed, sizes):
    """X2."""
    rng = np.random.default_rng(seed)
    groups = [rng.normal(5 * k, 0.3, size) for k, size in enumerate(sizes)]
    ours = pooled_noise([dict(enumerate(group)) for group in groups])
    member = np.repeat(np.arange(len(sizes)), sizes)
    fitted = sm.OLS(np.concatenate(groups), np.eye(len(sizes))[member]).fit()
    degrees = sum(sizes) - len(sizes)
    assert ours.degrees == degrees == fitted.df_resid
    assert ours.deviation == pytest.approx(np.sqrt(fitted.mse_resid), rel=1e-6)
    ends = np.sqrt(fitted.ssr / stats.chi2(degrees).ppf([0.975, 0.025]))
    assert (ours.low, ours.high) == pytest.approx(tuple(ends), rel=1e-6)


@given(seeds, st.integers(2, 12), st.sampled_from([0.8, 0.95]))
def test_the_t_interval_is_the_one_sample_interval(seed, n, confidence):
    """X3."""
    values = np.random.default_rng(seed).normal(0.3, 2.0, n)
    ours = t_interval(values, confidence=confidence, floor=1.0)
    theirs = DescrStatsW(values).tconfint_mean(1 - confidence)
    assert ours[1:] == pytest.approx(theirs, rel=1e-9)
