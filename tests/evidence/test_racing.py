"""Racing, numbered as what is promised.

R1  The probability is the conditional normal's.
R2  The stated error rate holds when the model does.
R3  What an overstated correlation costs.
R4  Compute is saved.
R5  The campaign's own candidates correct the preset's line.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from move37.core.claims import RungChoice
from move37.evidence.inputs import EvidenceError
from move37.evidence.racing import (
    RacingRules,
    RungModel,
    beat_probability,
    decide,
    forecast,
)

RULES = RacingRules(drop_below=0.1)
MODEL = RungModel(correlation=0.7, mean=-1.0, spread=2.0, final_mean=-0.5, final_spread=3.0)
LAST = RungModel(correlation=1.0, mean=-0.5, spread=3.0, final_mean=-0.5, final_spread=3.0)
COST = {0: 1.0, 1: 3.0}
"""Training cost of the two rungs in the simulation; the second continues the first."""


def test_the_probability_is_that_of_the_conditional_normal():
    """R1: against sampling from the joint model."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, 400_000))
    early = MODEL.mean + MODEL.spread * z[0]
    final = MODEL.final_mean + MODEL.final_spread * (0.7 * z[0] + math.sqrt(1 - 0.49) * z[1])
    measured = early + 1.2 / math.sqrt(2) * z[2]
    near = np.abs(measured - 0.8) < 0.05
    expected = (final[near] > 1.0).mean()
    ours = beat_probability([0.5, 1.1], bar=1.0, noise=1.2, rung=MODEL)
    assert ours == pytest.approx(expected, abs=0.02)


def test_at_the_last_rung_it_is_the_shrunk_effect_against_the_bar():
    chance = beat_probability([2.0], bar=0.0, noise=1.0, rung=LAST)
    weight = 9 / 10
    assert chance == pytest.approx(
        stats.norm.cdf((-0.5 + weight * 2.5) / math.sqrt(9 * (1 - weight)))
    )


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_order_changes_nothing_and_better_seeds_never_hurt(differences, random):
    def chance(values):
        return beat_probability(values, bar=0.5, noise=1.0, rung=MODEL)

    shuffled = list(differences)
    random.shuffle(shuffled)
    assert chance(shuffled) == chance(differences)
    assert chance([value + 1 for value in differences]) >= chance(differences)


def test_a_rung_without_correlation_tells_nothing():
    blind = replace(MODEL, correlation=0.0)
    chances = {beat_probability([x], bar=0.0, noise=1.0, rung=blind) for x in (-50.0, 0.0, 50.0)}
    assert max(chances) - min(chances) < 1e-12


def test_the_choices_follow_the_probability():
    def choose(x, *, is_last):
        model = LAST if is_last else MODEL
        return decide([x], bar=0.0, noise=1.0, rung=model, is_last=is_last, rules=RULES)

    assert choose(-8.0, is_last=False).choice is RungChoice.DROP
    assert choose(3.0, is_last=False).choice is RungChoice.GO_ON
    assert choose(-3.0, is_last=True).choice is RungChoice.DROP
    assert choose(3.0, is_last=True).choice is RungChoice.PROMOTE
    assert "0.10" in choose(-8.0, is_last=False).reason


def race(seed: int, *, stated: float, true: float, noise: float = 1.0, tails: float = math.inf):
    """Return (dropped early, truly above the bar) for 20,000 candidates of a two-rung race."""
    rng = np.random.default_rng(seed)
    n = 20_000
    z = rng.normal(size=(2, n)) if math.isinf(tails) else rng.standard_t(tails, (2, n))
    final = MODEL.final_mean + MODEL.final_spread * (true * z[0] + math.sqrt(1 - true**2) * z[1])
    measured = MODEL.mean + MODEL.spread * z[0] + rng.normal(0, noise, n)
    rung = replace(MODEL, correlation=stated)
    dropped = np.array(
        [
            beat_probability([x], bar=2.0, noise=noise, rung=rung) < RULES.drop_below
            for x in measured
        ]
    )
    return dropped, final > 2.0


def test_at_most_the_stated_share_of_the_dropped_would_have_won():
    """R2: and much is dropped, so the rule is not idle."""
    dropped, good = race(1, stated=0.7, true=0.7)
    assert good[dropped].mean() <= RULES.drop_below
    assert dropped.mean() > 0.25
    assert (good & dropped).sum() / good.sum() < 0.1


def test_understating_the_correlation_is_safe_and_overstating_it_is_not():
    """R3."""
    safe, good = race(2, stated=0.5, true=0.8)
    assert good[safe].mean() <= RULES.drop_below
    bold, good = race(3, stated=0.95, true=0.5)
    assert RULES.drop_below < good[bold].mean() < 0.2


def test_heavy_tailed_populations_stay_near_the_stated_share():
    dropped, good = race(4, stated=0.7, true=0.7, tails=4.0)
    assert good[dropped].mean() <= 1.2 * RULES.drop_below


def test_a_mixed_population_saves_compute_at_little_regret():
    """R4: nine in ten candidates below the bar, a good early rung."""
    dropped, good = race(5, stated=0.9, true=0.9, noise=0.7)
    spent = (COST[0] + COST[1] * ~dropped).mean() / (COST[0] + COST[1])
    assert spent < 0.62
    assert (good & dropped).sum() / good.sum() < 0.06


@pytest.mark.parametrize(
    ("differences", "bar", "noise"),
    [([], 0.0, 1.0), ([math.nan], 0.0, 1.0), ([1.0], math.inf, 1.0), ([1.0], 0.0, 0.0)],
)
def test_numbers_that_cannot_be_are_refused(differences, bar, noise):
    with pytest.raises(EvidenceError):
        decide(differences, bar=bar, noise=noise, rung=MODEL, is_last=False, rules=RULES)


def test_models_and_rules_that_cannot_be_are_refused():
    with pytest.raises(EvidenceError):
        RungModel(correlation=1.1)
    with pytest.raises(EvidenceError):
        RungModel(correlation=0.5, spread=0.0)
    with pytest.raises(EvidenceError):
        RacingRules(drop_below=0.6, promote_from=0.5)


def test_a_perfect_rung_with_tiny_noise_is_still_a_number():
    certain = beat_probability([1.0], bar=0.0, noise=1e-9, rung=LAST)
    assert certain == pytest.approx(1.0)


def line_pairs(n: int, *, seed: int = 0) -> tuple[tuple[float, float], ...]:
    """Candidates of a search whose finals follow another line than MODEL's: 4 + 2 (x - mean)."""
    rng = np.random.default_rng(seed)
    here = rng.normal(MODEL.mean, 2.0, n)
    final = 4.0 + 2.0 * (here - MODEL.mean) + rng.normal(0, 0.5, n)
    return tuple(zip(here.tolist(), final.tolist(), strict=True))


def test_without_pairs_the_line_is_the_presets_and_with_many_it_is_theirs():
    """R5."""
    expected, deviation = forecast([MODEL.mean], noise=1.0, rung=MODEL)
    assert expected == pytest.approx(MODEL.final_mean)
    assert deviation < MODEL.final_spread
    learnt = replace(MODEL, pairs=line_pairs(2_000))
    expected, deviation = forecast([MODEL.mean + 1.0], noise=1.0, rung=learnt)
    assert expected == pytest.approx(6.0, abs=0.05)
    assert deviation == pytest.approx(0.5, abs=0.1)


def test_few_pairs_pull_the_line_part_of_the_way():
    """R5: five pairs count as much as the preset."""
    some = replace(MODEL, pairs=line_pairs(5))
    expected, _ = forecast([MODEL.mean], noise=1.0, rung=some)
    assert MODEL.final_mean + 1.0 < expected < 3.5


def test_a_line_is_learnt_without_bias_from_those_that_were_allowed_on():
    """R5: only candidates with a large effect here have finals."""
    pairs = tuple(pair for pair in line_pairs(4_000) if pair[0] > MODEL.mean + 1.0)
    expected, _ = forecast([MODEL.mean - 2.0], noise=1.0, rung=replace(MODEL, pairs=pairs))
    assert expected == pytest.approx(0.0, abs=0.15)


@given(st.permutations(line_pairs(6)))
@settings(deadline=None, max_examples=20)
def test_the_order_of_pairs_changes_nothing(pairs):
    rung = replace(MODEL, pairs=tuple(pairs))
    reference = replace(MODEL, pairs=line_pairs(6))
    assert forecast([0.3], noise=1.0, rung=rung) == pytest.approx(
        forecast([0.3], noise=1.0, rung=reference)
    )


def test_pairs_that_are_no_numbers_are_refused():
    with pytest.raises(EvidenceError, match="pairs"):
        replace(MODEL, pairs=((0.0, math.nan),))


def test_leaving_out_the_growth_drops_the_winners():
    """What happened on 2026-11-25: layers that learn more draw away after the first rung."""
    rules = RacingRules(drop_below=0.1)
    model = RungModel(correlation=0.85, mean=1.5, spread=1.1, final_mean=1.5, final_spread=2.8)
    grown = replace(model, final_mean=1.5 + 2.2)
    late_bloomer, bar, noise = [2.5], 7.0, 0.63
    arguments = {"bar": bar, "noise": noise, "is_last": False, "rules": rules}
    assert decide(late_bloomer, rung=model, **arguments).choice is RungChoice.DROP
    assert decide(late_bloomer, rung=grown, **arguments).choice is RungChoice.GO_ON
