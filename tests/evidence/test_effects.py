"""Effects: E1 pairs by seed in any order, E2 agrees with scipy, E3 moves with shift and scale, E4
combined is the mean of standardised differences, E5 nothing that is not a number enters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from move37.core.config import TaskSetting
from move37.core.trial import Cost, Measurement, Outcome, Stage, TaskScore, Trial, TrialSpec
from move37.evidence.effects import (
    UNPAIRED_FLOOR,
    combined_scores,
    compare,
    effect_of,
    oriented_scores,
    paired_differences,
    paired_effect,
)
from move37.evidence.inputs import EvidenceError
from move37.evidence.intervals import bootstrap_interval, is_constant, t_interval

TASKS = (
    TaskSetting(name="text", rows=4, metric="nats", noise=0.02),
    TaskSetting(name="recall", rows=4, metric="accuracy", noise=0.1),
)
COST = Cost(
    cpu_seconds=1.0, wall_seconds=1.0, peak_memory_bytes=1, n_parameters=1, ffn_width=1, tokens=1
)
numbers = st.floats(-100, 100).map(lambda x: round(x, 6))
scores = st.dictionaries(st.integers(0, 30), numbers, min_size=1, max_size=10)


def trial(candidate: str, seed: int, nats: float, accuracy: float, **spec) -> Trial:
    measured = {
        "text": TaskScore(nats=nats, accuracy=0.5, n_answers=10),
        "recall": TaskScore(nats=1.0, accuracy=accuracy, n_answers=10),
    }
    keys = {"stage": Stage.SEARCH, "rung": 0} | spec
    return Trial(
        spec=TrialSpec(candidate_id=candidate, seed=seed, **keys),
        outcome=Outcome.COMPLETED,
        measurement=Measurement(scores=measured, cost=COST),
    )


def crashed(candidate: str, seed: int) -> Trial:
    spec = TrialSpec(candidate_id=candidate, stage=Stage.SEARCH, rung=0, seed=seed)
    return Trial(spec=spec, outcome=Outcome.CRASHED, reason="boom")


@given(scores, scores, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_arrival_changes_nothing(candidate, baseline, random):
    """E1."""
    if not set(candidate) & set(baseline):
        baseline = {**baseline, next(iter(candidate)): 0.0}
    shuffled = list(candidate.items())
    random.shuffle(shuffled)
    for method in ("t", "bootstrap"):
        first = paired_effect(candidate, baseline, floor=1.0, method=method)
        assert paired_effect(dict(shuffled), baseline, floor=1.0, method=method) == first


@given(st.lists(numbers, min_size=2, max_size=12), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(deadline=None, max_examples=60)
def test_the_t_interval_is_that_of_scipy(values, confidence):
    """E2."""
    differences = np.array(values)
    if is_constant(differences):
        differences = differences + np.arange(len(differences))
    baseline = np.linspace(-3, 3, len(differences))
    ours = t_interval(differences, confidence=confidence, floor=1.0)
    theirs = stats.ttest_rel(baseline + differences, baseline).confidence_interval(confidence)
    np.testing.assert_allclose(ours[1:], theirs, rtol=1e-6, atol=1e-9)


@given(
    st.lists(numbers, min_size=1, max_size=10),
    st.floats(0.01, 100),
    st.floats(-10, 10),
)
@settings(deadline=None, max_examples=60)
def test_an_effect_moves_with_shift_and_scale(values, scale, shift):
    """E3: the unit of the scores is the unit of the effect."""
    pairs = dict(enumerate(np.linspace(0, 1, len(values)) + np.array(values)))
    plain = effect_of(pairs, floor=1.0)
    moved = effect_of({s: scale * v + shift for s, v in pairs.items()}, floor=scale)
    for name in ("mean", "low", "high"):
        expected = scale * getattr(plain, name) + shift
        assert getattr(moved, name) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_swapping_the_sides_turns_the_sign():
    a, b = {0: 1.0, 1: 3.0, 2: 2.5}, {0: 0.5, 1: 1.0, 2: 2.0}
    forth, back = paired_effect(a, b, floor=1.0), paired_effect(b, a, floor=1.0)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert forth.mean > 0


def test_a_missing_seed_is_a_missing_pair_and_is_counted():
    candidate, baseline = {0: 1.0, 1: 2.0, 5: 9.0}, {0: 0.0, 1: 1.5, 7: 0.0}
    pairs, missing = paired_differences(candidate, baseline, planned=[0, 1, 2])
    assert pairs == {0: 1.0, 1: 0.5}
    assert missing == (2, 5, 7)
    effect = paired_effect(candidate, baseline, floor=1.0, planned=[0, 1, 2])
    assert (effect.n_pairs, effect.missing, effect.mean) == (2, 3, 0.75)


def test_one_pair_has_the_interval_of_the_noise_floor():
    effect = effect_of({3: 0.5}, floor=2.0)
    half = float(stats.norm.ppf(0.975)) * 2.0
    assert effect.n_pairs == 1
    assert (effect.low, effect.high) == pytest.approx((0.5 - half, 0.5 + half))


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_without_spread_the_noise_floor_speaks(value):
    """A candidate in disguise differs by exactly zero on every seed: that proves no precision."""
    effect = effect_of(dict(enumerate([value] * 4)), floor=1.0)
    assert effect.mean == value
    assert effect.high - effect.low == pytest.approx(2 * float(stats.norm.ppf(0.975)) / 2)


def test_bootstrap_agrees_with_t_on_gaussian_differences():
    differences = np.random.default_rng(0).normal(1.0, 2.0, 40)
    t = t_interval(differences, confidence=0.95, floor=1.0)
    boot = bootstrap_interval(differences, confidence=0.95, floor=1.0)
    np.testing.assert_allclose(boot, t, atol=0.12)


def test_expanded_bootstrap_covers_with_eight_seeds():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        _, low, high = bootstrap_interval(rng.normal(size=8), confidence=0.9, floor=1.0)
        hits += low <= 0.0 <= high
    assert 0.84 <= hits / 300 <= 0.96


def test_t_intervals_cover_at_their_confidence():
    differences = np.random.default_rng(2).normal(0.3, 1.0, (1500, 5))
    inside = [
        low <= 0.3 <= high
        for _, low, high in (t_interval(row, confidence=0.95, floor=1.0) for row in differences)
    ]
    assert 0.935 <= np.mean(inside) <= 0.965


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_refused(bad):
    """E5."""
    with pytest.raises(EvidenceError, match="finite"):
        paired_effect({0: bad}, {0: 1.0}, floor=1.0)
    with pytest.raises(EvidenceError, match="finite"):
        paired_effect({0: 1.0}, {0: bad, 1: 1.0}, floor=1.0)
    with pytest.raises(EvidenceError, match="finite"):
        oriented_scores([trial("a", 0, bad, 0.5)], TASKS)


def test_no_pair_is_no_effect():
    with pytest.raises(EvidenceError, match="no complete pair"):
        paired_effect({0: 1.0}, {1: 1.0}, floor=1.0)


@pytest.mark.parametrize(("floor", "confidence"), [(0.0, 0.95), (math.nan, 0.95), (1.0, 1.0)])
def test_a_floor_or_confidence_out_of_range_is_refused(floor, confidence):
    with pytest.raises(EvidenceError):
        effect_of({0: 1.0}, floor=floor, confidence=confidence)


def test_the_combined_difference_is_the_mean_of_standardised_differences():
    """E4."""
    candidate = [trial("a", s, nats, acc) for s, nats, acc in [(0, 1.9, 0.6), (1, 1.94, 0.9)]]
    baseline = [trial("b", s, nats, acc) for s, nats, acc in [(0, 2.0, 0.5), (1, 2.0, 0.5)]]
    comparison = compare(candidate, baseline, TASKS)
    assert comparison.differences == pytest.approx({0: (5 + 1) / 2, 1: (3 + 4) / 2})
    assert comparison.combined.mean == pytest.approx(3.25)
    assert comparison.tasks["text"].mean == pytest.approx(4.0)
    assert comparison.tasks["recall"].mean == pytest.approx(2.5)
    assert comparison.combined.unit == "noise"


def test_changing_a_tasks_unit_changes_no_combined_effect():
    """E4: no task rules by its scale."""
    scores = {"x": {0: 1.0, 1: 2.0}, "y": {0: 3.0, 1: -1.0}}
    scaled = {"x": {s: 1000 * v for s, v in scores["x"].items()}, "y": scores["y"]}
    plain = combined_scores(scores, {"x": 0.1, "y": 0.5})
    assert combined_scores(scaled, {"x": 100.0, "y": 0.5}) == pytest.approx(plain)


def test_a_crashed_trial_is_a_missing_pair_and_the_baselines_other_seeds_do_not_count():
    candidate = [trial("a", 0, 1.9, 0.6), crashed("a", 1)]
    baseline = [trial("b", seed, 2.0, 0.5) for seed in range(6)]
    comparison = compare(candidate, baseline, TASKS)
    assert comparison.missing == (1,)
    assert (comparison.combined.n_pairs, comparison.combined.missing) == (1, 1)
    floor_half = float(stats.norm.ppf(0.975)) * UNPAIRED_FLOOR
    assert comparison.combined.high - comparison.combined.mean == pytest.approx(floor_half)


def test_trials_of_two_candidates_rungs_or_twins_are_refused():
    for other in (
        trial("b", 1, 1.0, 0.5),
        trial("a", 1, 1.0, 0.5, rung=1),
        trial("a", 1, 1.0, 0.5, stage=Stage.CONFIRM),
        trial("a", 0, 1.0, 0.5),
    ):
        with pytest.raises(EvidenceError, match="one candidate"):
            oriented_scores([trial("a", 0, 1.0, 0.5), other], TASKS)


@pytest.mark.parametrize("noise", [{}, {"x": 0.0}, {"x": 1.0, "z": 1.0}])
def test_combining_needs_every_task_and_a_positive_noise(noise):
    with pytest.raises(EvidenceError):
        combined_scores({"x": {0: 1.0}}, noise)
