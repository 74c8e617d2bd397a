"""The declared best against known layers: who it is, which seeds, whose noise units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import told_campaigns as campaigns
from pages import written
from told_campaigns import winning

from move37.campaign.settings import load_preset
from move37.core.claims import Effect, VerdictKind
from move37.core.events import Event
from move37.core.trial import Outcome, Stage


def test_opponents_are_compared_on_the_same_fresh_seeds(tmp_path: Path):
    page, markdown = written(winning(), tmp_path)
    # by hand: (1.79 1.84 1.77 1.80) - (1.80 1.82 1.78 1.81) over 0.05 = -0.2 +0.4 -0.2 -0.2
    # mean -0.05, deviation 0.3, t(3) 3.182 * 0.3 / 2 = 0.477
    assert "| deltanet | not told apart | -0.05 [-0.53, +0.43] |" in markdown
    assert "-0.05 [-0.53, +0.43]" in page.text


def test_an_opponent_that_was_not_trained_is_said_to_be_so(tmp_path: Path):
    events = [*campaigns.opening(), *campaigns.confirmed(campaigns.layer("a"))]
    page, _ = written(events, tmp_path)
    assert "not trained on the fresh seeds yet, 0 of 4 seeds" in page.text


def two_winners(*, in_search: tuple[float, float]) -> list[Event]:
    """Two layers in the gallery, each with its effect in the search; the second has the larger
    effect on fresh seeds, by luck on the last one."""
    steady, lucky = campaigns.layer("steady"), campaigns.layer("lucky")
    larger = Effect(mean=9.0, low=4.0, high=14.0, n_pairs=4)
    return [
        *campaigns.opening(),
        *campaigns.confirmed(steady, in_search=in_search[0]),
        *campaigns.confirmed(lucky, larger, in_search=in_search[1], nats=(1.8, 1.8, 1.8, 1.0)),
        *campaigns.fresh_losses(campaigns.OPPONENT, campaigns.OPPONENT_NATS),
        *campaigns.closing(),
    ]


@pytest.mark.parametrize(
    ("in_search", "best"),
    [((6.0, 5.0), "steady"), ((5.0, 6.0), "lucky"), ((5.0, 5.0), "steady")],
    ids=["first", "second", "equal: the earlier"],
)
def test_the_search_declares_which_layer_meets_the_opponents(
    in_search: tuple[float, float], best: str, tmp_path: Path
):
    page, markdown = written(two_winners(in_search=in_search), tmp_path)
    words = (
        f"{best} is the declared best: chosen by its effect in the search, "
        "before it met the fresh seeds"
    )
    assert words in page.text
    assert words in markdown
    # lucky by hand: (1.79 1.84 1.77 1.80) - (1.80 1.80 1.80 1.00) over 0.05 = -0.2 0.8 -0.6 16
    assert ("| deltanet | not told apart | -0.05 [-0.53, +0.43] |" in markdown) == (
        best == "steady"
    )
    assert ("| deltanet | not told apart | +4.00 " in markdown) == (best == "lucky")
    assert f"Declared best, {best}: effect per task on fresh seeds" in page.text
    assert f"Where {best} comes from" not in page.text  # neither has ancestors
    assert f"Training loss of {best} and of" in page.text
    gallery = markdown.split("### Every test")[0]
    assert gallery.index("| lucky |") < gallery.index("| steady |")  # by effect on fresh seeds
    assert "the one with the largest effect there, lucky," in page.text


def test_a_later_verdict_at_another_scale_is_not_the_searchs(tmp_path: Path):
    events = two_winners(in_search=(6.0, 5.0))
    lucky = campaigns.layer("lucky")
    events += [campaigns.verdict(lucky, VerdictKind.VERIFIED, campaigns.effect(50.0))]
    page, _ = written(events, tmp_path)
    assert "steady is the declared best" in page.text


def test_seeds_on_which_an_opponent_failed_are_counted(tmp_path: Path):
    winner = campaigns.layer("decayed delta", campaigns.BASELINE.id)
    events = [
        *campaigns.opening(),
        *campaigns.confirmed(winner),
        *campaigns.fresh_losses(campaigns.OPPONENT, campaigns.OPPONENT_NATS[:2]),
        campaigns.failed(
            campaigns.OPPONENT, Outcome.OUT_OF_TIME, "slow", seed=103, stage=Stage.CONFIRM
        ),
    ]
    page, markdown = written(events, tmp_path)
    # by hand: -0.2 and +0.4; deviation 0.424, t(1) 12.706 * 0.424 / sqrt(2) = 3.81
    words = "not told apart, too few seeds"  # two of them, and the interval holds 0
    gaps = "1 out of time, 1 not trained"
    assert f"| deltanet | {words} ({gaps}) | +0.10 [-3.71, +3.91] |" in markdown
    assert "| 2 of 4 seeds |" in markdown
    assert f"{words} {gaps} +0.10 [-3.71, +3.91]" in page.text
    assert "2 of 4 seeds" in page.text


@pytest.mark.parametrize("preset", ["tiny", "gone.toml"])
def test_an_opponent_without_any_result_is_a_row_that_says_why(preset: str, tmp_path: Path):
    crashes = [
        campaigns.failed(campaigns.OPPONENT, Outcome.CRASHED, "x", seed=s, stage=Stage.CONFIRM)
        for s in campaigns.FRESH
    ]
    events = campaigns.opening(preset=preset)
    events += [*campaigns.confirmed(campaigns.layer("a")), *crashes]
    page, _ = written(events, tmp_path)
    assert "no result, 0 of 4 seeds: 4 crashed" in page.text


def test_the_stored_preset_gives_the_noise_units(tmp_path: Path):
    preset = load_preset("tiny")
    tasks = tuple(task.model_copy(update={"noise": 0.1}) for task in preset.tasks)
    stored = preset.model_copy(update={"tasks": tasks}).model_dump_json()
    _, markdown = written(
        [*campaigns.opening(preset="gone.toml", stored=stored), *winning()[4:]], tmp_path
    )
    assert "| recall | nats | 0.1 |" in markdown
    # half of what a unit of 0.05 gives: -0.05 [-0.53, +0.43]
    assert re.search(r"\| deltanet \| not told apart \| -0\.0[23] \[-0\.26, \+0\.21\] \|", markdown)


def test_a_stored_preset_that_cannot_be_read_is_said(tmp_path: Path):
    page, _ = written([*campaigns.opening(stored='{"name": 1}'), *winning()[4:]], tmp_path)
    assert "The preset cannot be read, so its noise units are not known here." in page.text
    assert "trained, but the preset cannot be read" in page.text


def test_the_gallery_says_what_known_layers_have_over_the_same_baseline(tmp_path: Path):
    page, markdown = written(winning(), tmp_path)
    # by hand: (2.00 2.04 1.97 2.02) - (1.79 1.84 1.77 1.80) over 0.05 = 4.2 4.0 4.0 4.4
    # mean 4.15, deviation 0.191, t(3) 3.182 * 0.191 / 2 = 0.305
    for text in (page.text, markdown.replace("\\_", "_")):
        assert "over this campaign's baseline, linear_attention, and over nothing else" in text
        assert "deltanet +4.15 [+3.85, +4.45] (4 seeds)" in text


def test_a_gallery_that_met_no_known_layer_gives_no_number_for_them(tmp_path: Path):
    page, _ = written([*campaigns.opening(), *campaigns.confirmed(campaigns.layer("a"))], tmp_path)
    assert "Known layers have effects over it too, of which none was trained here" in page.text


def test_the_reason_of_a_test_on_fresh_seeds_is_its_own_after_a_verification(tmp_path: Path):
    winner = campaigns.layer("decayed delta", campaigns.BASELINE.id)
    verified = campaigns.verdict(
        winner, VerdictKind.VERIFIED, campaigns.effect(2.0), reason="at 4 times the size"
    )
    _, markdown = written([*winning(), verified], tmp_path)
    tested = markdown.split("### Every test on fresh seeds")[1].split("##")[0]
    assert "e-value 210 on 4 fresh seeds" in tested
    assert "at 4 times the size" not in tested
