"""Discoveries over compute.

D1  A law is only named where the data can tell: few, even and early discoveries.
D2  Bands hold the exact Poisson interval at their end, and the fitted curve inside.
D3  Two searches are counted at equal compute, and told apart by the exact interval of their ratio.
D4  Compute is that of search and confirmation: opponents are no part of it.
D5  A run of another preset is refused; one that never confirms is compared by what it saw.
"""

from __future__ import annotations

import random

import pytest
from pages import written
from told_campaigns import (
    BASELINE,
    OPPONENT,
    OPPONENT_NATS,
    PROMOTED,
    closing,
    confirmed,
    effect,
    fresh_losses,
    layer,
    opening,
    searched,
    verdict,
    winning,
)

from move37.core.claims import VerdictKind
from move37.core.errors import ConfigError
from move37.core.events import CandidateStarted, Event
from move37.insights.discovery import Curve, against, discovery
from move37.insights.laws import constant_band, falling_band, fit


def search(*found: str, preset: str = "tiny", researcher: str = "symbolic") -> list[Event]:
    """A campaign that confirmed layers of these names; each costs 14 s beside the baseline's 12."""
    events = opening(preset=preset, team={"researcher": researcher})
    for name in found:
        events += confirmed(layer(name, BASELINE.id))
    return [*events, *closing()]


def test_an_even_rate_is_called_linear_only_where_a_twofold_change_is_ruled_out():
    """D1."""
    draw = random.Random(2)
    few = [fit([draw.uniform(0, 3600) for _ in range(30)], 3600).words for _ in range(20)]
    assert not [words for words in few if "linear over" in words]
    many = fit([(k + 0.5) * 9 for k in range(400)], 3600)
    assert "linear over" in many.words
    assert 0.5 < many.change_low < 1 < many.change_high < 2


def test_early_discoveries_are_found_to_level_off():
    """D1."""
    draw = random.Random(2)
    early = fit([draw.expovariate(1 / 400) % 3600 for _ in range(30)], 3600)
    assert "level off" in early.words
    assert early.change_high < 1
    assert early.low < early.rate_per_hour == 30.0 < early.high


def test_an_even_rate_is_rarely_found_to_level_off():
    """D1."""
    draw = random.Random(3)
    even = [fit([draw.uniform(0, 3600) for _ in range(30)], 3600) for _ in range(40)]
    assert sum("level off" in found.words for found in even) <= 5
    assert sum(found.change_low <= 1 <= found.change_high for found in even) >= 35


def test_late_discoveries_are_no_straight_line():
    """D1."""
    late = fit([3600 * (1 - (k / 60) ** 2) for k in range(30)], 3600)
    assert "speed up" in late.words


@pytest.mark.parametrize("n", [0, 1, 7])
def test_few_discoveries_name_no_law(n: int):
    """D1."""
    assert "too few" in fit([10.0 * k for k in range(1, n + 1)], 100.0).words


def test_bands_end_at_the_exact_interval_and_hold_their_curve():
    """D2: F. Garwood's interval of a count of 10 is 4.80 to 18.39."""
    times, shares = [float(k) for k in range(1, 11)], [0.0, 0.25, 0.5, 1.0]
    line = constant_band(10, shares)
    assert (line.low[-1], line.high[-1]) == pytest.approx((4.795, 18.390), abs=1e-3)
    curve = falling_band(times, 20.0, shares)
    assert curve.middle[-1] == pytest.approx(10)
    for low, middle, high in zip(curve.low, curve.middle, curve.high, strict=True):
        assert low <= middle <= high
    assert list(curve.high) == sorted(curve.high)


def test_two_searches_are_counted_up_to_the_compute_of_the_shorter_one():
    """D3."""
    ours = Curve(name="this", times=(10.0, 20.0, 50.0), total=100.0)
    theirs = Curve(name="random search", times=(30.0,), total=40.0)
    found = against(ours, theirs)
    assert found is not None
    assert (found.n_ours, found.n_theirs, found.seconds) == (2, 1, 40.0)
    assert found.low < 1
    assert "too few to tell it from random search" in found.words


def test_a_clear_difference_is_called_one():
    """D3: 20 against 1 in equal time."""
    ours = Curve(name="this", times=tuple(range(1, 21)), total=100.0)
    theirs = Curve(name="random search", times=(30.0,), total=100.0)
    found, turned = against(ours, theirs), against(theirs, ours)
    assert found is not None
    assert turned is not None
    assert "better than random search" in found.words
    assert "worse than this" in turned.words
    assert turned.high == pytest.approx(1 / found.low)


def test_opponents_are_no_compute_of_the_search():
    """D4."""
    without = discovery(search("a", "b"))
    opponents = discovery([*search("a", "b"), *fresh_losses(OPPONENT, OPPONENT_NATS)])
    assert without is not None
    assert opponents is not None
    assert without.curve.total == opponents.curve.total
    assert len(without.curve.times) == 2
    assert without.curve.times[0] < without.curve.times[1] == without.curve.total


def test_a_refuted_layer_is_no_discovery_any_more():
    gone = verdict(layer("a", BASELINE.id), VerdictKind.REFUTED, effect(-0.1))
    found = discovery([*search("a", "b"), gone])
    assert found is not None
    assert len(found.curve.times) == 1


def test_random_search_stands_beside_a_campaign_on_the_page(tmp_path):
    """D3."""
    random_run = search("r", researcher="random")
    page, markdown = written(search("a", "b", "c"), tmp_path, beside=[("rnd", random_run)])
    for text in (page.text, markdown):
        assert "Beside random search" in text
        assert "1 against 1 discoveries confirmed on fresh seeds" in text
    labels = [a.get("aria-label", "") for _, a in page.tags]
    assert any("over measured compute" in label for label in labels)


def test_a_control_arm_stands_beside_the_team_by_default():
    """D3."""
    started = [CandidateStarted(index=0, driver="d", arm="team"),
               CandidateStarted(index=1, driver="d", arm="control")]  # fmt: skip
    found = discovery([*started, *winning()])
    assert found is not None
    assert found.beside == ()  # the control arm has not trained yet
    of_control = [_moved(event) for event in searched(layer("c", BASELINE.id), 1.5, kind=PROMOTED)]
    found = discovery([*started, *winning(), *of_control])
    assert found is not None
    (row,) = found.beside
    assert (row.ours.name, row.curve.name) == ("language models", "symbolic team (control)")
    assert row.n_theirs == 0


def _moved(event: Event) -> Event:
    import dataclasses

    return dataclasses.replace(event, index=1)


def test_a_run_of_another_preset_is_refused():
    """D5."""
    with pytest.raises(ConfigError, match="preset cpu and baseline linear_attention against tiny"):
        discovery(search("a"), [("other", search("b", preset="cpu"))])


def test_a_run_that_never_confirms_is_compared_by_what_looked_better():
    """D5: an ablation's arms."""
    events = opening(team={"researcher": "random"}, evidence={"confirm_most": 0})
    events += searched(layer("r", BASELINE.id), 3.0)
    found = discovery(search("a", "b"), [("abl/random-0", events)])
    assert found is not None
    (row,) = found.beside
    assert not row.by_confirmed
    assert (row.n_ours, row.n_theirs, row.seconds) == (1, 1, 2.0)


def test_a_campaign_without_compute_has_no_curve():
    assert discovery([]) is None
    assert discovery(opening()) is None
