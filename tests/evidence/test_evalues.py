"""E-values: V1 equal the t density ratio, V2 ignore scale, V3 rise with the evidence, V4 keep their
error rate under optional stopping, V5 have the stated power, V6 fail as documented off it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from move37.evidence.evalues import (
    EFFECT_PRIOR,
    log_sign_process,
    log_t_e,
    log_t_process,
    sign_e_value,
    t_e_value,
)
from move37.evidence.inputs import EvidenceError

FIRST_LEVEL = 0.05 * 6 / math.pi**2
"""What e-LOND asks of the first test at 5 %."""
differences = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=1, max_size=9)


def t_paths(x_RN: np.ndarray) -> np.ndarray:
    """Log e-values of R replicate sequences after each of N seeds, with the tested function."""
    statistic_RN = x_RN.cumsum(1) / np.sqrt((x_RN**2).cumsum(1))
    return np.stack(
        [log_t_e(n, statistic_RN[:, n - 1]) for n in range(1, x_RN.shape[1] + 1)], axis=1
    )


def crossing_rate(x_RN: np.ndarray, level: float, *, from_seed: int = 1) -> float:
    return float((t_paths(x_RN)[:, from_seed - 1 :] >= -math.log(level)).any(1).mean())


@pytest.mark.parametrize("n", [2, 3, 5, 8, 30])
@pytest.mark.parametrize("t", [0.0, 0.7, 3.0, 12.0])
def test_the_e_value_is_the_mean_ratio_of_noncentral_to_central_t_densities(n, t):
    """V1: an independent formula for the same likelihood ratio."""
    ratios = stats.nct.pdf(t, n - 1, EFFECT_PRIOR * math.sqrt(n)) / stats.t.pdf(t, n - 1)
    statistic = t * math.sqrt(n / (n - 1 + t * t))
    assert math.exp(log_t_e(n, np.array([statistic]))[0]) == pytest.approx(
        ratios.mean(), rel=2e-6, abs=1e-12
    )


def test_below_zero_the_e_value_is_a_lower_bound_of_the_ratio():
    """V1: smaller is still valid."""
    for t in (-0.2, -1.0, -4.0):
        ratios = stats.nct.pdf(t, 4, EFFECT_PRIOR * math.sqrt(5)) / stats.t.pdf(t, 4)
        ours = math.exp(log_t_e(5, np.array([t * math.sqrt(5 / (4 + t * t))]))[0])
        assert 0.0 < ours <= ratios.mean() * (1 + 1e-9)


@given(differences, st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=50)
def test_the_unit_of_the_differences_does_not_matter(values, scale):
    """V2."""
    scaled = [scale * value for value in values]
    np.testing.assert_allclose(log_t_process(scaled), log_t_process(values), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(log_sign_process(scaled), log_sign_process(values))


@given(differences, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_last_value_does_not_depend_on_the_order(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert t_e_value(shuffled) == pytest.approx(t_e_value(values), rel=1e-9)
    assert sign_e_value(shuffled) == pytest.approx(sign_e_value(values), rel=1e-9)


@given(differences, st.floats(0.001, 5))
@settings(deadline=None, max_examples=50)
def test_adding_a_constant_never_lowers_any_value_of_the_path(values, shift):
    """V3; the step of the proof that covers means below zero."""
    raised = log_t_process([value + shift for value in values])
    zero_start = np.cumsum(np.abs(values)) == 0
    ok = raised >= log_t_process(values) - 1e-9
    assert (ok | zero_start).all()


@pytest.mark.parametrize("n", [1, 2, 4, 8, 40])
def test_the_e_value_rises_with_the_statistic_and_stays_finite(n):
    """V3."""
    grid = np.linspace(-math.sqrt(n), math.sqrt(n), 400)
    logs = log_t_e(n, grid)
    assert np.isfinite(logs).all()
    assert (np.diff(logs) > 0).all()


def test_one_seed_proves_next_to_nothing_and_zero_differences_nothing():
    assert t_e_value([5.0]) == pytest.approx(2.0, abs=0.5)
    assert t_e_value([5.0]) <= 2.0
    assert t_e_value([]) == t_e_value([0.0]) == t_e_value([0.0] * 8) == 1.0
    assert sign_e_value([0.0] * 8) == 1.0


def test_differences_without_spread_give_a_finite_answer():
    assert t_e_value([0.1] * 5) > 33
    assert t_e_value([1.0] * 300) > 1e100
    assert t_e_value([-0.1] * 5) < 1e-3


@pytest.mark.parametrize("process", [log_t_process, log_sign_process])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_a_number_is_refused(process, bad):
    with pytest.raises(EvidenceError, match="finite"):
        process([1.0, bad])


@pytest.mark.parametrize("level", [0.05, FIRST_LEVEL, 0.0076])
@pytest.mark.parametrize("mean", [0.0, -0.3])
def test_looking_after_every_seed_keeps_the_error_rate(mean, level):
    """V4: Ville's bound at mean zero and below, in any unit, within simulation error."""
    x = np.random.default_rng(11).normal(mean, 1.0, (20_000, 8)) * 0.013
    rate = crossing_rate(x, level)
    assert rate <= level + 3 * math.sqrt(level / 20_000)
    assert mean < 0 or rate > level / 10  # it is a real test, not a constant


@pytest.mark.parametrize("mean", [0.0, -0.3, -1.0])
def test_the_mean_e_value_at_a_greedy_stopping_time_is_at_most_one(mean):
    """V4: stop at the first value above 3, else at the last seed; it is all that e-LOND needs."""
    e = np.exp(t_paths(np.random.default_rng(12).normal(mean, 1.0, (40_000, 8))))
    stop = np.where((e > 3).any(1), (e > 3).argmax(1), 7)
    stopped = e[np.arange(len(e)), stop]
    assert stopped.mean() <= 1 + 3 * stopped.std() / math.sqrt(len(stopped))
    assert mean < 0 or stopped.mean() > 0.8


def test_the_process_is_a_martingale_at_mean_zero():
    """V4: the average is 1 at every number of seeds (winsorised against rare giants)."""
    e = np.exp(t_paths(np.random.default_rng(13).normal(size=(40_000, 6))))
    assert (e.mean(0) > 0.55).all()
    assert (np.minimum(e, 300).mean(0) <= 1.02).all()


@pytest.mark.parametrize(
    ("effect", "seeds", "power"), [(4.0, 5, 0.95), (3.0, 8, 0.98), (2.0, 8, 0.85), (10.0, 4, 0.99)]
)
def test_confirmation_has_the_power_that_is_stated(effect, seeds, power):
    """V5: effects in deviations of one paired difference; at the first e-LOND level."""
    x = np.random.default_rng(14).normal(effect, 1.0, (4000, seeds))
    assert crossing_rate(x, FIRST_LEVEL, from_seed=4) >= power


@pytest.mark.parametrize(
    ("name", "at_most"), [("t3", 0.5), ("laplace", 0.5), ("contaminated", 0.7), ("uniform", 1.0)]
)
def test_symmetric_tails_heavier_or_lighter_than_gaussian_keep_the_level(name, at_most):
    """V6: `at_most` is the share of the level that is used; measured, see docs/evidence.md."""
    rng = np.random.default_rng(15)
    size = (20_000, 8)
    x = {
        "t3": rng.standard_t(3, size),
        "laplace": rng.laplace(size=size),
        "contaminated": rng.normal(size=size) * np.where(rng.random(size) < 0.1, 5.0, 1.0),
        "uniform": rng.uniform(-1, 1, size),
    }[name]
    assert crossing_rate(x, FIRST_LEVEL, from_seed=4) <= at_most * FIRST_LEVEL


def test_coin_flips_and_rare_disasters_break_the_gaussian_test_as_documented():
    """V6: seeds that jump by +-1, or gain a little and rarely lose a lot, exceed the level."""
    rng = np.random.default_rng(16)
    flips = rng.choice([-1.0, 1.0], (20_000, 8)) + rng.normal(0, 0.1, (20_000, 8))
    disasters = 1.0 - rng.exponential(size=(20_000, 8))
    assert 0.05 < crossing_rate(flips, FIRST_LEVEL, from_seed=4) < 0.08
    assert 0.06 < crossing_rate(disasters, FIRST_LEVEL, from_seed=4) < 0.12
    assert crossing_rate(flips, FIRST_LEVEL, from_seed=6) < FIRST_LEVEL


def test_the_sign_bet_keeps_its_level_on_coin_flips():
    """V6: the alternative without a distribution, over all 2^8 sign patterns exactly."""
    patterns = np.array(np.meshgrid(*[[-1.0, 1.0]] * 8)).reshape(8, -1).T
    logs = np.array([log_sign_process(pattern) for pattern in patterns])
    for level in (0.05, FIRST_LEVEL, 0.01):
        assert (logs >= -math.log(level)).any(1).mean() <= level
    np.testing.assert_allclose(np.exp(logs).mean(0), 1.0, rtol=1e-9)


def test_six_better_seeds_of_six_convince_the_sign_bet_and_five_cannot():
    assert sign_e_value([1.0] * 6) >= 1 / FIRST_LEVEL
    assert sign_e_value([1.0] * 5) < 1 / FIRST_LEVEL
    assert sign_e_value([1.0] * 7 + [-9.0]) < sign_e_value([1.0] * 7)
