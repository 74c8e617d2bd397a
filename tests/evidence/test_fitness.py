"""Fitness: shrinks with few seeds, uses the ancestor's constants, and stays within [0, 1]."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.claims import Effect
from move37.core.errors import UnknownName
from move37.evidence.fitness import (
    FitnessRules,
    TaskResult,
    asi_arch,
    composite,
    composite_by_name,
    shrunk_mean,
)
from move37.evidence.inputs import EvidenceError

RULES = FitnessRules()
UNSHRUNK = FitnessRules(prior_spread=1e6)


def effect(mean: float, n_pairs: int = 4) -> Effect:
    return Effect(mean=mean, low=mean - 1, high=mean + 1, n_pairs=n_pairs)


def result(
    mean: float,
    *,
    metric: Literal["nats", "accuracy"] = "nats",
    noise: float = 0.02,
    baseline: float = 2.0,
    n_pairs: int = 4,
) -> TaskResult:
    return TaskResult(metric=metric, effect=effect(mean, n_pairs), noise=noise, baseline=baseline)


@given(st.floats(-20, 20), st.integers(1, 50))
@settings(deadline=None, max_examples=60)
def test_shrinkage_lies_between_prior_and_data_and_yields_to_seeds(mean, n):
    few, more = shrunk_mean(mean, n, RULES), shrunk_mean(mean, n + 1, RULES)
    assert min(0, mean) <= few <= max(0, mean)
    assert abs(more) >= abs(few)
    assert shrunk_mean(mean, 10**9, RULES) == pytest.approx(mean)
    assert shrunk_mean(mean, 0, RULES) == RULES.prior_mean


def test_the_shrunk_mean_is_the_posterior_mean():
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 300_000)
    measured = truth + rng.normal(0, RULES.pair_deviation / math.sqrt(3), truth.size)
    near = np.abs(measured - 2.5) < 0.05
    assert shrunk_mean(2.5, 3, RULES) == pytest.approx(truth[near].mean(), abs=0.05)


def test_a_lucky_seed_ranks_below_a_solid_effect():
    lucky = composite(effect(4.0, 1), [result(4.0, n_pairs=1)], 0.5, RULES)
    solid = composite(effect(3.5, 8), [result(3.5, n_pairs=8)], 0.5, RULES)
    assert solid.value > lucky.value


def test_the_ancestors_constants_hold():
    """10 % better is sigmoid(6), equal is one half, and beyond 10 % it saturates."""

    def loss_part(relative: float) -> float:
        at_scale = result(relative * 2.0 / 0.02)
        return asi_arch(effect(0.0), [at_scale], None, UNSHRUNK).effect_part

    assert loss_part(0.10) == pytest.approx(1 / (1 + math.exp(-6)), rel=1e-6)
    assert loss_part(0.05) == pytest.approx(1 / (1 + math.exp(-3)), rel=1e-6)
    assert loss_part(0.0) == 0.5
    assert loss_part(0.5) == loss_part(0.2) == pytest.approx(loss_part(0.10))
    assert loss_part(-0.5) == pytest.approx(1 / (1 + math.exp(6)))


def test_the_ancestors_parts_are_losses_benchmarks_and_judge_in_thirds():
    tasks = [result(10.0), result(2.0, metric="accuracy", noise=0.05, baseline=0.5)]
    fitness = asi_arch(effect(0.0), tasks, 0.3, UNSHRUNK)
    assert fitness.effect_part == pytest.approx(1 / (1 + math.exp(-6)), rel=1e-6)
    assert fitness.task_part == pytest.approx(1 / (1 + math.exp(-6)), rel=1e-6)
    assert fitness.judge_part == 0.3
    parts = (fitness.effect_part, fitness.task_part, fitness.judge_part)
    assert fitness.value == pytest.approx(sum(parts) / 3)


def test_one_huge_task_does_not_pay_like_breadth():
    narrow = composite(effect(3.0), [result(9.0), result(0.0), result(0.0)], None, RULES)
    broad = composite(effect(3.0), [result(3.0), result(3.0), result(3.0)], None, RULES)
    assert broad.value > narrow.value


def test_the_default_composite_keeps_the_best_apart():
    values = [composite(effect(m), [result(m)], None, RULES).value for m in (2, 5, 10, 20)]
    assert values == sorted(set(values))


def test_without_a_judge_the_other_parts_share_the_weight():
    fitness = composite(effect(0.0), [result(0.0)], None, RULES)
    assert fitness.value == 0.5
    assert fitness.judge_part == 0.0
    heavy = replace(RULES, judge_weight=100.0)
    assert composite(effect(0.0), [result(0.0)], None, heavy).value == 0.5
    assert composite(effect(0.0), [result(0.0)], 1.0, heavy).value > 0.95


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 1), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_every_composite_stays_in_the_unit_interval(mean, other, quality, n):
    for function in (composite, asi_arch):
        fitness = function(effect(mean, n), [result(mean), result(other)], quality, RULES)
        assert 0.0 <= fitness.value <= 1.0


def test_an_unknown_name_names_the_known_ones():
    assert composite_by_name("asi_arch") is asi_arch
    with pytest.raises(UnknownName, match="did you mean 'composite'"):
        composite_by_name("composit")


@pytest.mark.parametrize("quality", [-0.1, 1.1, math.nan])
def test_a_quality_out_of_range_is_refused(quality):
    with pytest.raises(EvidenceError):
        composite(effect(0.0), [result(0.0)], quality, RULES)


def test_nothing_to_weigh_is_refused():
    with pytest.raises(EvidenceError):
        composite(effect(0.0), [], 0.5, RULES)
    with pytest.raises(EvidenceError):
        FitnessRules(effect_weight=0.0, task_weight=0.0, judge_weight=0.0)
    with pytest.raises(EvidenceError):
        FitnessRules(judge_weight=-1.0)
    only_judge = FitnessRules(effect_weight=0.0, task_weight=0.0)
    with pytest.raises(EvidenceError, match="no judge"):
        composite(effect(0.0), [result(0.0)], None, only_judge)
    with pytest.raises(EvidenceError, match="baseline"):
        asi_arch(effect(0.0), [result(1.0, baseline=0.0)], None, RULES)


def test_one_task_is_shrunk_by_its_own_deviation_and_not_by_that_of_the_mean():
    rules = FitnessRules(pair_deviation=math.sqrt(2 / 5), task_deviation=math.sqrt(2))
    tasks = [result(6.0, n_pairs=1), result(6.0, n_pairs=1)]
    found = composite(effect(6.0, 1), tasks, None, rules)
    assert found.effect_part == pytest.approx(1 / (1 + math.exp(-6.0 * 4 / 4.4 / 3)))
    assert found.task_part == pytest.approx(1 / (1 + math.exp(-6.0 * 4 / 6 / 3)))
