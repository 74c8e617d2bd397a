"""Rates of discoveries and their comparison, against values from tables."""

from __future__ import annotations

import pytest

from move37.insights.spend import poisson_rate, rate_ratio


def test_a_rate_has_the_exact_interval_of_the_tables() -> None:
    """Garwood's limits for a count of 3: 0.6187 and 8.7673."""
    rate = poisson_rate(3, 1.0)
    assert (rate.low, rate.high) == pytest.approx((0.6187, 8.7673), abs=1e-4)


def test_no_discovery_has_an_upper_bound_of_three_point_seven() -> None:
    rate = poisson_rate(0, 2.0)
    assert (rate.low, rate.high) == pytest.approx((0.0, 3.6889 / 2.0), abs=1e-4)


def test_a_ratio_scales_with_the_exposures() -> None:
    """Twice the time halves the rate."""
    low, high = rate_ratio(poisson_rate(5, 1.0), poisson_rate(5, 1.0))
    assert low < 1.0 < (high or 0.0)
    slower = rate_ratio(poisson_rate(5, 2.0), poisson_rate(5, 1.0))
    assert slower == pytest.approx((low / 2.0, (high or 0.0) / 2.0))


def test_a_control_without_discoveries_bounds_the_ratio_from_below_only() -> None:
    low, high = rate_ratio(poisson_rate(9, 1.0), poisson_rate(0, 1.0))
    assert low > 1.0
    assert high is None
