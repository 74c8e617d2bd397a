"""Trends over a search, and what it did not find.

T1  Ranks and correlations are scipy's.
T2  A trend is named only where the interval leaves out none.
T3  Prices of candidates are drawn and told in the report.
T4  What was not found is said, with the numbers of the events.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import told_campaigns as campaigns
from pages import written
from scipy.stats import rankdata, spearmanr

from move37.core.trial import Stage
from move37.insights import findings
from move37.insights.missed import missed
from move37.insights.story import tell
from move37.insights.trends import model_parameters, ranks, trend_row

VALUES = [3.0, 1.0, 2.0, 2.0, 5.0, 2.0, 9.0, 4.0, 4.0, 7.0, 8.0, 6.0]


def test_ranks_and_correlation_are_the_known_ones():
    """T1."""
    assert ranks(VALUES) == list(rankdata(VALUES))
    row = trend_row("x", [(float(k), v) for k, v in enumerate(VALUES)])
    expected, _ = spearmanr(range(len(VALUES)), VALUES)
    assert row.correlation == pytest.approx(expected)
    assert (row.first, row.last) == (2.0, 6.5)


def test_trends_are_named_where_they_are():
    """T2."""
    draw = random.Random(1)
    rising = trend_row("x", [(float(k), k + draw.gauss(0, 4)) for k in range(30)])
    falling = trend_row("x", [(float(k), -k + draw.gauss(0, 4)) for k in range(30)])
    flat = [trend_row("x", [(float(k), draw.gauss(0, 1)) for k in range(30)]) for _ in range(40)]
    assert (rising.words, falling.words) == ("rises", "falls")
    assert sum(row.words != "no trend to be told" for row in flat) <= 5
    assert trend_row("x", [(1.0, 2.0)]).words == "too few to tell"
    assert trend_row("x", [(float(k), 3.0) for k in range(12)]).words == "the same throughout"


def test_the_report_draws_and_tells_what_candidates_cost(tmp_path: Path):
    """T3: `searched` probes a state of 4,352 bytes."""
    page, markdown = written(campaigns.long_campaign(40), tmp_path)
    labels = [a.get("aria-label", "") for _, a in page.tags]
    assert any(label.startswith("Parameters, operations and state") for label in labels)
    assert "state, bytes a layer" in page.text
    assert "the same throughout" in markdown


def test_a_verification_at_four_times_the_size_is_no_part_of_the_searchs_trend():
    """T3: `trial` measures 31,987 parameters."""
    grown = campaigns.layer("grown")
    larger = campaigns.trial(grown, 9, 1.0, stage=Stage.VERIFY)
    assert larger.trial.measurement is not None
    cost = replace(larger.trial.measurement.cost, n_parameters=127_948)
    measurement = replace(larger.trial.measurement, cost=cost)
    verified = replace(larger, trial=replace(larger.trial, measurement=measurement))
    story = tell([*campaigns.opening(), *campaigns.searched(grown, 1.0), verified])
    assert model_parameters(story.records[grown.id]) == 31_987


def test_what_was_not_found_is_said():
    """T4: one of two tests failed, and the winner is not ahead on a task taken alone."""
    looser, waiting = campaigns.layer("lucky"), campaigns.layer("waiting")
    narrow = campaigns.effect(0.4, 1.0)
    events = [
        *campaigns.opening(),
        *campaigns.searched(looser, 3.0, kind=campaigns.PROMOTED),
        campaigns.verdict(
            looser, campaigns.EXPLORED, campaigns.effect(0.2), e_value=0.9, level=0.03
        ),
        *campaigns.searched(waiting, 2.0, kind=campaigns.PROMOTED),
        *campaigns.confirmed(campaigns.layer("won"), narrow),
    ]
    story = tell(events)
    gallery, tested = findings.gallery_rows(story, None), findings.tested_rows(story)
    said = " ".join(missed(story, gallery, tested, []))
    assert "1 of 2 tested on fresh seeds did not hold up" in said
    assert "+2.80 noise units larger in the search" in said
    assert "1 promoted by the search were never tested" in said
    assert "better on recall, text taken alone" in said
    assert "not verified at a larger size" in said


def test_an_empty_search_missed_nothing():
    """T4: there is nothing to say before anything was tried."""
    assert missed(tell(campaigns.opening()), [], [], []) == []
