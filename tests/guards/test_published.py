"""Published rules, as read from their paper and code, on sweeps that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from move37.guards.published import SPEARMAN_CRITICAL, ends_differ, ranks_fall, slope_falls
from move37.guards.solvers import CURVES, answers


def sweep(*right: int, of: int = 20) -> np.ndarray:
    """So many of the items right at each effort, the first ones."""
    return (np.arange(of)[:, None] < np.array(right)[None]).astype(float)


@pytest.mark.parametrize(
    ("right", "falls"),
    [((20, 19, 18, 17, 10), True), ((12, 12, 12, 12, 10), False), ((10, 12, 14, 16, 20), False)],
)
def test_the_ends_differ_where_their_intervals_are_apart(right, falls):
    assert ends_differ(sweep(*right)) is falls


def test_a_change_of_two_points_is_not_enough():
    """The intervals of 1,000 items a level are apart, the accuracies by .019."""
    assert not ends_differ(sweep(1000, 999, 999, 990, 981, of=1000))
    assert ends_differ(sweep(1000, 999, 999, 990, 975, of=1000))


@pytest.mark.parametrize(
    ("right", "falls"),
    [
        ((15, 14, 13, 12, 11), True),
        ((15, 14, 13, 11, 12), True),
        ((15, 13, 14, 11, 12), False),
        ((15, 15, 15, 15, 15), False),
        ((11, 12, 13, 14, 15), False),
    ],
)
def test_ranks_fall_by_their_correlation(right, falls):
    assert ranks_fall(sweep(*right)) is falls


def test_the_critical_correlation_is_that_of_scipy():
    """Two-sided, five levels: a correlation of -.9 passes, one of -.8 does not."""
    found, p = map(float, spearmanr(range(5), (5, 4, 3, 1, 2)))
    less, less_p = map(float, spearmanr(range(5), (5, 3, 4, 1, 2)))
    assert p < 0.05 < less_p
    assert found < -SPEARMAN_CRITICAL < less


def test_ranks_of_other_than_five_efforts_are_refused():
    with pytest.raises(ValueError, match="5 efforts, got 4"):
        ranks_fall(sweep(5, 4, 3, 2))


@pytest.mark.parametrize(
    ("curve", "low", "high"), [("flat .80", 0, 0.06), ("rising .50 to .80", 0, 0)]
)
def test_the_slope_without_pairing_keeps_its_level(curve, low, high):
    sweeps = answers(CURVES[curve], 50, rng=np.random.default_rng(1), n_sweeps=400)
    assert low <= np.mean([slope_falls(s) for s in sweeps]) <= high


def test_a_slope_of_nothing_but_right_answers_says_nothing():
    assert not slope_falls(np.ones((20, 5)))
