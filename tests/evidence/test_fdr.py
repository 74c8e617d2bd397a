"""e-LOND: F1 the levels are the formula, F2 later tests change nothing, F3 order is that of the
starts, F4 null campaigns stay at their level, F5 mixed ones keep the false share, F6 both where
tests share the baseline's runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.evidence.confirmation import ConfirmationChoice, ConfirmationRules, assess
from move37.evidence.fdr import OnlineTest, gamma, is_admitted, judge, level, next_level
from move37.evidence.inputs import EvidenceError
from move37.testing.null_campaigns import simulate


def done(name: str, started: int, finished: int, e_value: float) -> OnlineTest:
    return OnlineTest(id=name, started=started, finished=finished, e_value=e_value)


@st.composite
def campaigns(draw) -> list[OnlineTest]:
    """Tests with overlapping runs, some lost."""
    n = draw(st.integers(1, 12))
    starts = draw(st.lists(st.integers(0, 60), min_size=n, max_size=n, unique=True))
    tests = []
    for i, start in enumerate(starts):
        if draw(st.booleans()):
            e_value = draw(st.sampled_from([0.0, 1.0, 40.0, 1e4, 1e9]))
            tests.append(done(str(i), start, start + draw(st.integers(1, 30)), e_value))
        else:
            tests.append(OnlineTest(id=str(i), started=start))
    return tests


def test_levels_follow_the_formula():
    """F1."""
    first = done("a", 1, 2, 1e9)
    results = judge([first, done("b", 3, 4, 1.0), done("c", 5, 6, 1e9)], alpha=0.05)
    assert [r.level for r in results] == pytest.approx(
        [0.05 * gamma(1), 0.05 * gamma(2) * 2, 0.05 * gamma(3) * 2]
    )
    assert [r.is_discovery for r in results] == [True, False, True]
    assert sum(gamma(t) for t in range(1, 100_000)) == pytest.approx(1.0, abs=1e-4)


@given(campaigns(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_list_does_not_matter_only_the_starts(tests, random):
    """F3."""
    shuffled = list(tests)
    random.shuffle(shuffled)
    assert judge(shuffled, alpha=0.05) == judge(tests, alpha=0.05)


@given(campaigns())
@settings(deadline=None, max_examples=60)
def test_a_resume_sees_the_same_levels_as_the_first_run(tests):
    """F2: cut at any start; what was judged stays judged, and the next level is the one given."""
    whole = judge(tests, alpha=0.05)
    ordered = sorted(tests, key=lambda test: test.started)
    for i, test in enumerate(ordered):
        then = [
            t
            if t.finished is not None and t.finished < test.started
            else OnlineTest(id=t.id, started=t.started)
            for t in ordered[:i]
        ]
        assert next_level(then, alpha=0.05) == pytest.approx(whole[i].level)


def test_a_discovery_that_came_after_the_start_does_not_help():
    """Two drivers: the second test began before the first was decided."""
    overlapping = judge([done("a", 1, 5, 1e9), done("b", 2, 6, 1e9)], alpha=0.05)
    assert overlapping[1].level == pytest.approx(0.05 * gamma(2))


def test_a_lost_test_keeps_its_number():
    results = judge([OnlineTest(id="lost", started=1), done("b", 2, 3, 50.0)], alpha=0.05)
    assert results[1].number == 2
    assert not results[1].is_discovery
    assert judge([], alpha=0.05) == ()
    assert next_level([], alpha=0.05) == pytest.approx(0.05 * gamma(1))


@pytest.mark.parametrize(
    "tests",
    [
        [done("a", 1, 2, 1.0), done("a", 3, 4, 1.0)],
        [done("a", 1, 2, 1.0), done("b", 1, 4, 1.0)],
        [done("a", 5, 4, 1.0)],
        [done("a", 1, 2, math.nan)],
        [done("a", 1, 2, -1.0)],
        [OnlineTest(id="a", started=1, finished=2)],
    ],
)
def test_a_history_that_cannot_be_is_refused(tests):
    with pytest.raises(EvidenceError):
        judge(tests, alpha=0.05)


@pytest.mark.parametrize(("number", "found", "alpha"), [(0, 0, 0.05), (2, 2, 0.05), (1, 0, 1.0)])
def test_impossible_counts_are_refused(number, found, alpha):
    with pytest.raises(EvidenceError):
        level(number, found, alpha=alpha)


def test_two_thousand_null_campaigns_of_three_hundred_tests_admit_within_the_level():
    """F4: the chance that a null campaign admits anything at all is its false-discovery rate."""
    admitted = simulate(np.zeros((2000, 300), bool), 0.0, seed=21)
    rate = admitted.any(1).mean()
    assert 0.0 < rate <= 0.05
    assert rate == pytest.approx(0.0125, abs=0.01)  # measured; Ville's bound is not tight here


@pytest.mark.parametrize(
    ("n_tests", "share_real", "effect", "power"),
    [(12, 0.5, 3.0, 0.85), (12, 0.5, 5.0, 0.99), (100, 0.1, 5.0, 0.8), (100, 0.1, 3.0, 0.2)],
)
def test_mixed_campaigns_keep_the_false_share_and_have_the_stated_power(
    n_tests, share_real, effect, power
):
    """F5: a few promising confirmations keep their power, a hundred blind ones do not."""
    is_real = np.random.default_rng(22).random((1000, n_tests)) < share_real
    admitted = simulate(is_real, effect, seed=23)
    false_share = (admitted & ~is_real).sum(1) / np.maximum(admitted.sum(1), 1)
    assert false_share.mean() <= 0.05
    assert power <= admitted[is_real].mean() <= power + 0.15


@pytest.mark.parametrize("shared", [0.5, 0.9])
def test_a_baseline_that_all_tests_share_keeps_the_level(shared):
    """F6: its luck is everybody's, so false entries come together, but no more often."""
    null = simulate(np.zeros((2000, 300), bool), 0.0, seed=26, shared=shared)
    assert 0.0 < null.any(1).mean() <= 0.05
    is_real = np.random.default_rng(27).random((1000, 30)) < 0.3
    admitted = simulate(is_real, 4.0, seed=28, shared=shared)
    false_share = (admitted & ~is_real).sum(1) / np.maximum(admitted.sum(1), 1)
    assert false_share.mean() <= 0.05
    assert admitted[is_real].mean() > 0.5


def test_the_simulation_and_the_real_functions_decide_alike():
    """F4: the vectorised shortcut against `assess` and `judge` on whole campaigns."""
    rules = ConfirmationRules(seeds_min=4, seeds_max=8)
    is_real = np.random.default_rng(24).random((6, 8)) < 0.4
    fast = simulate(is_real, 3.0, seed=25)
    x_CTN = np.random.default_rng(25).normal(size=(6, 8, 8)) + 3.0 * is_real[..., None]
    for c in range(6):
        tests: list[OnlineTest] = []
        for t in range(8):
            its_level = next_level(tests, alpha=0.05)
            n = 0
            answer = assess([], level=its_level, rules=rules)
            while answer.choice is ConfirmationChoice.NEED_SEED:
                n += 1
                answer = assess(list(x_CTN[c, t, :n]), level=its_level, rules=rules)
            tests.append(done(str(t), 2 * t + 1, 2 * t + 2, answer.e_value))
            assert is_admitted(answer.e_value, its_level) == fast[c, t]
        assert [r.is_discovery for r in judge(tests, alpha=0.05)] == list(fast[c])
