"""Noise floors: agree with the textbook, cover at their confidence, and refuse to guess."""

from __future__ import annotations

import math

import numpy as np
import pytest

from move37.evidence.inputs import EvidenceError
from move37.evidence.noise import pooled_noise


def test_the_floor_is_the_sample_deviation_whatever_order_sign_and_offset():
    values = [0.3, 0.5, 0.1, 0.9]
    floor = pooled_noise([dict(enumerate(values))])
    assert floor.deviation == pytest.approx(np.std(values, ddof=1))
    assert floor.degrees == 3
    assert floor.low < floor.deviation < floor.high
    turned = pooled_noise([dict(enumerate(7.0 - np.array(values[::-1])))])
    assert turned.deviation == pytest.approx(floor.deviation)


def test_the_chi_square_interval_covers_the_true_deviation():
    rng = np.random.default_rng(0)
    floors = [pooled_noise([dict(enumerate(rng.normal(0, 0.02, 5)))]) for _ in range(1500)]
    assert 0.935 <= np.mean([f.low <= 0.02 <= f.high for f in floors]) <= 0.965


def test_pooling_ignores_the_means_of_the_mixers_and_weighs_by_degrees():
    first, second = {0: 1.0, 1: 2.0, 2: 3.0}, {0: 100.0, 1: 104.0}
    pooled = pooled_noise([first, second, {0: 5.0}])
    assert pooled.degrees == 3
    assert pooled.deviation == pytest.approx(math.sqrt((2 * 1.0 + 1 * 8.0) / 3))


def test_a_metric_without_spread_has_a_floor_of_zero():
    floor = pooled_noise([{0: 1.0, 1: 1.0, 2: 1.0}])
    assert (floor.deviation, floor.low, floor.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("scores", [{}, {0: 1.0}, {0: 1.0, 1: math.nan}])
def test_too_few_or_broken_replicates_are_refused(scores):
    with pytest.raises(EvidenceError):
        pooled_noise([scores])
