"""Cost beside effect, and the front of the two.

K1  Cost is per token, so a training of another length costs the same.
K2  Fresh trainings count where there are any, shared seeds alone.
K3  A layer against another: shared seeds alone, and swapping the two turns the ratio round.
K4  Whoever is on the front has nobody with as much for as little; the front is what a slow search
    finds, in any order.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from move37.core.trial import Cost, Measurement, Outcome, ProbeReport, Stage, Trial, TrialSpec
from move37.insights.costs import LayerCost, RelativeCost, layer_cost, on_front, relative_cost


def trial(seed: int, cpu: float, *, stage: Stage = Stage.CONFIRM, tokens: int = 1000) -> Trial:
    cost = Cost(cpu_seconds=cpu, wall_seconds=cpu, peak_memory_bytes=100 + seed, n_parameters=7,
                ffn_width=1, tokens=tokens)  # fmt: skip
    return Trial(
        spec=TrialSpec(candidate_id="c", stage=stage, rung=0, seed=seed),
        outcome=Outcome.COMPLETED,
        measurement=Measurement(scores={}, cost=cost),
    )


def test_cost_is_per_token():
    """K1."""
    short = layer_cost([trial(1, 2.0)], [trial(1, 1.0)], None)
    long = layer_cost([trial(1, 6.0, tokens=3000)], [trial(1, 1.0)], None)
    assert short.relative == pytest.approx(2.0)
    assert long.relative == pytest.approx(2.0)
    assert short.microseconds_per_token == pytest.approx(2000.0)


def test_fresh_trainings_count_before_those_of_the_search():
    """K2."""
    ours = [trial(1, 9.0, stage=Stage.SEARCH), trial(2, 3.0)]
    theirs = [trial(1, 1.0, stage=Stage.SEARCH), trial(2, 1.0), trial(3, 50.0)]
    assert layer_cost(ours, theirs, None).relative == pytest.approx(3.0)
    assert layer_cost(ours[:1], theirs, None).relative == pytest.approx(9.0)


def test_one_layer_over_another():
    """K3."""
    ours = {s: m for s in (1, 2) if (m := trial(s, 3.0 * s).measurement)}
    theirs = {s: m for s in (2, 3) if (m := trial(s, 2.0, tokens=500).measurement)}
    found = relative_cost(ours, theirs)
    assert (found.time, found.memory) == pytest.approx((6.0 / 4.0, 1.0))
    back = relative_cost(theirs, ours)
    assert (back.time, back.memory) == pytest.approx((4.0 / 6.0, 1.0))
    assert relative_cost({}, theirs) == RelativeCost()
    assert relative_cost({1: ours[1]}, theirs) == RelativeCost()


def test_what_the_probes_found_of_one_layer_over_another():
    """K3: a layer without a state has no ratio, and trainings are not needed."""
    ours, theirs, stateless = (
        ProbeReport(outcome=Outcome.COMPLETED, state_bytes=state, flops_per_token=flops)
        for state, flops in ((256, 3e4), (512, 1e4), (0, 1e4))
    )
    assert relative_cost({}, {}, (ours, theirs)) == RelativeCost(flops=3.0, state=0.5)
    assert relative_cost({}, {}, (ours, stateless)) == RelativeCost(flops=3.0)
    assert relative_cost({}, {}, (ours, None)) == RelativeCost()


def test_without_a_trial_or_a_probe_nothing_is_known():
    assert layer_cost([], [], None) == LayerCost()
    failed = Trial(
        spec=TrialSpec(candidate_id="c", stage=Stage.CONFIRM, rung=0, seed=1),
        outcome=Outcome.CRASHED,
    )
    assert layer_cost([failed], [trial(1, 1.0)], None) == LayerCost()


def test_what_the_probes_measured_is_taken_over():
    report = ProbeReport(outcome=Outcome.COMPLETED, state_bytes=256, flops_per_token=1e4)
    found = layer_cost([trial(1, 1.0), trial(5, 1.0)], [], report)
    assert (found.state_bytes, found.flops_per_token) == (256, 1e4)
    assert found.peak_memory_bytes == 105
    assert found.relative is None


points = st.lists(
    st.tuples(
        st.integers(0, 5).map(float), st.none() | st.integers(1, 5).map(float)
    ),
    max_size=12,
)  # fmt: skip


@given(points, st.randoms(use_true_random=False))
def test_the_front_is_what_a_slow_search_finds_in_any_order(found, rng):
    """K4."""
    front = on_front(found)
    for place, (effect, cost) in enumerate(found):
        better = [
            (e, c)
            for e, c in found
            if c is not None and cost is not None and e >= effect and c <= cost
            and (e, c) != (effect, cost)
        ]  # fmt: skip
        assert front[place] == (cost is not None and not better)
    order = list(range(len(found)))
    rng.shuffle(order)
    assert on_front([found[i] for i in order]) == [front[i] for i in order]


@given(points)
def test_somebody_is_on_the_front_wherever_anything_has_a_cost(found):
    """K4."""
    assert any(on_front(found)) == any(cost is not None for _, cost in found)
