"""The controller of effort, against truths that rise, fall, peak and change.

E1  Its regret is within bands of what was measured (docs/guards.md).
E2  A cap is never passed.
"""

from __future__ import annotations

import numpy as np
import pytest

from move37.guards.effort import Controller, regret
from move37.guards.solvers import CURVES

RISE, FALL = CURVES["rising .50 to .80"], CURVES["falling .90 to .70"]


@pytest.mark.parametrize(
    ("curve", "most"),
    [
        ("rising .50 to .80", 0.08),
        ("flat .80", 0.03),
        ("falling .90 to .70", 0.06),
        ("falling .70 to .30", 0.095),
        ("peak at the middle", 0.075),
        ("cliff at the end", 0.03),
    ],
)
def test_regret_against_the_best_fixed_effort_is_bounded(curve, most):
    """E1."""
    found = regret([CURVES[curve]], n_steps=200, n_runs=40, seed=1)
    assert found.mean <= most + 2 * found.standard_error


def test_it_beats_always_thinking_hard_where_that_harms():
    """E1: by fifteen points a step, always-max loses twenty-five."""
    adaptive = regret([FALL], n_steps=200, n_runs=20, seed=2)
    always_max = regret([FALL], n_steps=200, n_runs=1, seed=2, fixed=4)
    assert adaptive.mean <= always_max.mean - 0.15


def test_forgetting_and_sharing_pay_where_the_truth_changes():
    """E1: against plain Thompson sampling."""
    settings = {"n_steps": 400, "n_runs": 30, "seed": 3}
    plain = regret([RISE, FALL], discount=1.0, share=0.0, sharpen=1.0, explore=0.0, **settings)
    assert regret([RISE, FALL], **settings).mean < plain.mean - 2 * plain.standard_error


def test_no_effort_above_the_cap_is_chosen():
    """E2: not when exploring either."""
    controller = Controller(5, cap=1, explore=0.5)
    for _ in range(20):
        controller.learn(4, success=True)
    rng = np.random.default_rng(4)
    assert {controller.choose(rng) for _ in range(200)} == {0, 1}
