"""Statistics of more thinking, against solvers whose truth is known.

T1  The trend test finds what it should, at its level: figures of docs/guards.md.
T2  The shape test finds peaks and cliffs that a slope misses.
T3  A watch may be looked at after every step.
T4  The slope is within its interval as often as it says.
"""

from __future__ import annotations

import numpy as np
import pytest

from move37.guards.solvers import CURVES, answers, intercept
from move37.guards.trend import (
    Trend,
    centred,
    conditional_slope,
    holm,
    judge_sweep,
    shape_p,
    trend_p,
)
from move37.guards.watching import ALARM, BETS, Evidence, Outcome, Watch, first_alarms


def share_found(curve: str, *, n_items: int, n_sweeps: int = 800) -> float:
    sweeps = answers(CURVES[curve], n_items, rng=np.random.default_rng(7), n_sweeps=n_sweeps)
    return float(np.mean([trend_p(sweep, centred(5)) < 0.05 for sweep in sweeps]))


@pytest.mark.parametrize(
    ("curve", "n_items", "low", "high"),
    [
        ("flat .80", 20, 0.02, 0.08),
        ("flat .80", 50, 0.02, 0.08),
        ("flat .95", 50, 0.02, 0.08),
        ("rising .50 to .80", 50, 0.0, 0.005),
        ("falling .95 to .85", 50, 0.6, 0.78),
        ("falling .99 to .85", 50, 0.92, 1.0),
        ("falling .90 to .70", 20, 0.55, 0.7),
        ("falling .90 to .70", 50, 0.9, 1.0),
        ("falling .70 to .30", 20, 0.92, 1.0),
    ],
)
def test_a_trend_is_found_as_often_as_was_measured(curve, n_items, low, high):
    """T1."""
    assert low <= share_found(curve, n_items=n_items) <= high


@pytest.mark.parametrize(
    ("curve", "low", "high"),
    [("flat .80", 0.0, 0.1), ("peak at the middle", 0.7, 1.0), ("cliff at the end", 0.85, 1.0)],
)
def test_the_shape_test_finds_peaks_and_cliffs(curve, low, high):
    """T2."""
    sweeps = answers(CURVES[curve], 50, rng=np.random.default_rng(8), n_sweeps=80)
    rng = np.random.default_rng(9)
    found = np.mean([shape_p(sweep, rng=rng, n_shuffles=200) < 0.05 for sweep in sweeps])
    assert low <= found <= high


@pytest.mark.parametrize(
    ("low_accuracy", "high_accuracy", "least", "most"),
    [(0.8, 0.8, 0, 0.05), (0.95, 0.95, 0, 0.05), (0.7, 0.8, 0, 0.01), (0.9, 0.7, 0.97, 1.0)],
)
def test_a_watch_of_three_hundred_steps_seldom_rings_for_nothing(
    low_accuracy, high_accuracy, least, most
):
    """T3."""
    pairs = answers(
        (low_accuracy, high_accuracy), 300, rng=np.random.default_rng(10), n_sweeps=2000
    ).astype(bool)
    rung = (first_alarms(pairs[:, :, 0], pairs[:, :, 1]) < 300).mean()
    assert least <= rung <= most


def test_a_fall_from_ninety_to_seventy_rings_within_fifty_steps_as_a_rule():
    """T3: median 38."""
    pairs = answers((0.9, 0.7), 300, rng=np.random.default_rng(11), n_sweeps=1000).astype(bool)
    assert 30 <= np.median(first_alarms(pairs[:, :, 0], pairs[:, :, 1])) <= 46


def test_evidence_of_a_long_campaign_is_a_number():
    """T3: thousands of pairs, all one way, the other way, and evenly."""
    most = Evidence(5000, 1300, 0).value
    assert np.isfinite(most)
    assert most > 1e300
    assert Evidence(5000, 0, 5000).value == 0.0
    assert Evidence(5000, 1300, 1300).value < 1.0
    assert Evidence(5000, 5000, 0).rings(n_streams=8)
    assert Evidence(9, 6, 1).value == pytest.approx(
        sum((1 + b) ** 6 * (1 - b) for b in BETS) / len(BETS)
    )
    assert first_alarms(np.ones((1, 3000), bool), np.zeros((1, 3000), bool)).tolist() == [6]


def test_the_slow_and_the_fast_watch_agree():
    """T3: pair by pair against all at once."""
    pairs = answers((0.9, 0.6), 80, rng=np.random.default_rng(12)).astype(bool)[0]
    evidence, first = Evidence(), 80
    for step, (low, high) in enumerate(pairs):
        evidence = evidence.after(low=bool(low), high=bool(high))
        first = min(first, step) if evidence.value >= ALARM else first
    assert first == first_alarms(pairs[None, :, 0], pairs[None, :, 1])[0]


def test_unpaired_calls_of_a_flat_solver_seldom_ring():
    """T3: calls at random efforts, paired as they come."""
    rng = np.random.default_rng(13)
    n_rung = 0
    for _ in range(400):
        watch = Watch(n_levels=5)
        for effort in rng.integers(0, 5, size=300):
            watch.see(Outcome(int(effort), success=bool(rng.random() < 0.7)))
        n_rung += watch.peak.rings()
    assert n_rung / 400 <= 0.05


def test_unpaired_calls_of_an_inverse_solver_ring():
    """T3."""
    rng = np.random.default_rng(14)
    n_rung = 0
    for _ in range(100):
        watch = Watch(n_levels=5)
        for effort in rng.integers(0, 5, size=200):
            watch.see(Outcome(int(effort), success=bool(rng.random() < 0.9 - 0.15 * effort)))
        n_rung += watch.peak.rings()
    assert n_rung / 100 >= 0.9


def test_the_slope_is_in_its_interval_as_often_as_promised():
    """T4: the truth is a slope within items, -0.5 a doubling."""
    rng = np.random.default_rng(15)
    x_L = centred(5)
    n_inside = 0
    for _ in range(200):
        logits = intercept(0.75) + 1.5 * rng.standard_normal((40, 1)) - 0.5 * x_L
        right = (rng.random((40, 5)) < 1 / (1 + np.exp(-logits))).astype(float)
        _slope, low, high = conditional_slope(right, x_L)
        n_inside += low <= -0.5 <= high
    assert 0.9 <= n_inside / 200 <= 0.99


def test_a_small_sweep_says_that_it_is_too_small():
    outcomes = answers(CURVES["falling .70 to .30"], 10, rng=np.random.default_rng(16))[0]
    assert judge_sweep(outcomes, seed=0).trend is Trend.INSUFFICIENT


def test_a_sweep_whose_tokens_do_not_rise_cannot_be_tested():
    outcomes = answers(CURVES["falling .70 to .30"], 50, rng=np.random.default_rng(17))[0]
    sweep = judge_sweep(outcomes, seed=0, tokens_L=np.full(5, 900.0))
    assert sweep.trend is Trend.UNTESTABLE


@pytest.mark.parametrize(
    ("curve", "trend"),
    [
        ("falling .70 to .30", Trend.INVERSE),
        ("peak at the middle", Trend.PEAK),
        ("rising .50 to .80", Trend.POSITIVE),
    ],
)
def test_a_clear_sweep_gets_its_name(curve, trend):
    outcomes = answers(CURVES[curve], 100, rng=np.random.default_rng(18))[0]
    assert judge_sweep(outcomes, seed=0).trend is trend


def test_a_perfect_solver_is_saturated():
    assert judge_sweep(np.ones((50, 5)), seed=0).trend is Trend.SATURATED


def test_p_values_of_many_sweeps_are_adjusted_together():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )
