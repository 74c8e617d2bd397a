"""Confirmation: admits, gives up, or asks for one more seed; only on scale-free numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.evidence.confirmation import (
    ConfirmationChoice,
    ConfirmationRules,
    assess,
    best_reachable,
)
from move37.evidence.evalues import t_e_value
from move37.evidence.inputs import EvidenceError

RULES = ConfirmationRules(seeds_min=4, seeds_max=8)
LEVEL = 0.0304
GOOD = [4.0, 5.0, 4.5, 3.8, 4.9, 4.2, 5.1, 4.4]


def choice(differences, **options) -> ConfirmationChoice:
    settings = {"level": LEVEL, "rules": RULES} | options
    return assess(differences, **settings).choice


def test_a_clear_effect_is_confirmed_at_the_smallest_number_of_seeds_and_not_before():
    choices = [choice(GOOD[:n]) for n in range(5)]
    assert choices == [ConfirmationChoice.NEED_SEED] * 4 + [ConfirmationChoice.CONFIRMED]


def test_a_candidate_in_disguise_is_never_confirmed():
    """Exactly zero on every seed, the null campaign's case."""
    assert choice([0.0] * 8) is ConfirmationChoice.NOT_CONFIRMED
    assert assess([0.0] * 8, level=LEVEL, rules=RULES).e_value == 1.0


def test_all_seeds_used_without_enough_evidence_is_not_confirmed_for_now():
    answer = assess([1.0, -1.0, 2.0, 0.5, -0.5, 1.5, 0.2, -0.2], level=LEVEL, rules=RULES)
    assert answer.choice is ConfirmationChoice.NOT_CONFIRMED
    assert "32.9" in answer.reason


def test_it_gives_up_early_when_no_further_seed_could_help():
    assert choice([-1.0, -2.0, -1.5, -0.5]) is ConfirmationChoice.NOT_CONFIRMED
    assert choice([-1.0]) is ConfirmationChoice.NEED_SEED


def test_a_failed_fresh_seed_ends_the_confirmation():
    """Dropping failed seeds would select the lucky ones."""
    answer = assess(GOOD[:6], level=LEVEL, rules=RULES, n_failed=1)
    assert answer.choice is ConfirmationChoice.NOT_CONFIRMED
    assert "1 of 7" in answer.reason


def test_a_stricter_level_needs_more_seeds():
    noisy = [2.0, 5.0, 3.0, 4.5, 2.5, 5.5, 3.5, 4.0]
    assert choice(noisy[:5]) is ConfirmationChoice.CONFIRMED
    assert choice(noisy[:5], level=1e-3) is ConfirmationChoice.NEED_SEED
    assert choice(noisy[:8], level=1e-3) is ConfirmationChoice.CONFIRMED


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=1, max_size=7),
    st.floats(1e-3, 1e3),
)
@settings(deadline=None, max_examples=50)
def test_the_unit_does_not_enter_the_decision(differences, scale):
    scaled = [scale * value for value in differences]
    assert choice(scaled) is choice(differences)


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=0, max_size=7),
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=8, max_size=8),
)
@settings(deadline=None, max_examples=100)
def test_no_continuation_beats_the_best_that_was_called_reachable(so_far, rest):
    best = best_reachable(so_far, RULES)
    for n in range(max(len(so_far) + 1, RULES.seeds_min), RULES.seeds_max + 1):
        future = so_far + rest[: n - len(so_far)]
        assert t_e_value(future) <= best * (1 + 1e-6)


def test_the_best_reachable_value_is_reached_by_the_best_seeds():
    so_far = [1.0, 3.0]
    ideal = sum(v * v for v in so_far) / sum(so_far)
    best = best_reachable(so_far, RULES)
    assert t_e_value(so_far + [ideal] * 6) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0, math.nan])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(EvidenceError):
        assess(GOOD, level=level, rules=RULES)


@pytest.mark.parametrize(("low", "high"), [(0, 4), (5, 4)])
def test_rules_that_cannot_be_are_refused(low, high):
    with pytest.raises(EvidenceError):
        ConfirmationRules(seeds_min=low, seeds_max=high)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(EvidenceError, match="finite"):
        assess(np.array([1.0, np.nan]).tolist(), level=LEVEL, rules=RULES)
