"""Curve cuts: divergence and hopelessness end a run; ordinary noise does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from move37.evidence.curves import CurveRules, decide_curve
from move37.evidence.inputs import EvidenceError

RULES = CurveRules()
STEPS = np.arange(10, 410, 10)


def curve(loss) -> list[tuple[int, float]]:
    return [(int(step), float(value)) for step, value in zip(STEPS, loss, strict=True)]


def learning(floor: float, rng: np.random.Generator, *, noise: float = 0.08) -> np.ndarray:
    """A power law with batch noise, as the lab's small runs look."""
    return floor + 3.0 * STEPS**-0.35 + rng.normal(0, noise, len(STEPS))


def stops(candidate, baseline) -> bool:
    return any(
        decide_curve(candidate[:n], baseline, total_steps=400, rules=RULES).stop
        for n in range(1, len(candidate) + 1)
    )


def test_a_loss_that_is_not_finite_is_divergence_at_once():
    for bad in (math.nan, math.inf):
        answer = decide_curve([(1, 2.0), (2, bad)], [], total_steps=400, rules=RULES)
        assert (answer.stop, answer.diverged) == (True, True)
        assert "step 2" in answer.reason


def test_a_loss_that_climbs_and_stays_is_divergence():
    loss = np.concatenate([np.linspace(4, 2, 25), np.linspace(2, 5, 15)])
    answer = decide_curve(curve(loss), [], total_steps=400, rules=RULES)
    assert (answer.stop, answer.diverged) == (True, True)


def test_one_bad_batch_is_not_divergence():
    loss = np.linspace(4, 2, 40)
    loss[20] = 50.0
    assert not stops(curve(loss), [])


def test_a_run_far_above_the_baseline_is_hopeless_but_not_before_its_time():
    rng = np.random.default_rng(0)
    baseline, bad = curve(learning(1.0, rng)), curve(learning(1.6, rng))
    answer = decide_curve(bad, baseline, total_steps=400, rules=RULES)
    assert (answer.stop, answer.diverged) == (True, False)
    early = [point for point in bad if point[0] < 100]
    assert not decide_curve(early, baseline, total_steps=400, rules=RULES).stop
    assert not decide_curve(bad, [], total_steps=400, rules=RULES).stop


def test_noise_rarely_stops_a_run_as_good_as_the_baseline():
    """False-stop rate on simulated curves: 400 equals, independent batch noise on both sides."""
    rng = np.random.default_rng(1)
    false = sum(stops(curve(learning(1.0, rng)), curve(learning(1.0, rng))) for _ in range(400))
    assert false == 0


def test_a_clearly_worse_run_is_usually_stopped_before_the_end():
    rng = np.random.default_rng(2)
    stopped = [stops(curve(learning(1.5, rng))[:30], curve(learning(1.0, rng))) for _ in range(200)]
    assert np.mean(stopped) > 0.95


def test_an_empty_curve_goes_on():
    assert not decide_curve([], [(1, 2.0)], total_steps=400, rules=RULES).stop


def test_curves_and_rules_that_cannot_be_are_refused():
    with pytest.raises(EvidenceError, match="rise"):
        decide_curve([(2, 1.0), (2, 1.0)], [], total_steps=4, rules=RULES)
    with pytest.raises(EvidenceError, match="baseline"):
        decide_curve([(2, 1.0)], [(2, math.nan)], total_steps=4, rules=RULES)
    with pytest.raises(EvidenceError):
        CurveRules(window=0)
    with pytest.raises(EvidenceError):
        CurveRules(patience=0)
    with pytest.raises(EvidenceError):
        CurveRules(earliest=2.0)
    with pytest.raises(EvidenceError):
        CurveRules(hopeless_above=0.0)
