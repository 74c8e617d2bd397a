"""Racing on recorded effects: real candidates, all of them trained to the end (bench/racing).

Z1  Of those that the shipped rule drops, the share that it states would have beaten the bar.
Z2  It saves compute, and keeps one of the best three.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from move37.campaign.rules import bar_of, rung_model
from move37.campaign.settings import load_preset
from move37.core.claims import RungChoice
from move37.core.config import EvidenceConfig
from move37.evidence.racing import RacingRules, decide

FILE = Path(__file__).parents[2] / "bench/racing/recorded.json"
CPU = load_preset("cpu")
FIRST, LAST = CPU.rungs[0], CPU.rungs[-1]
PAIR_NOISE = (2 / len(CPU.tasks)) ** 0.5
N_ORDERS = 300

Curve = dict[str, float]
"""Steps -> effect of the first seed; `0`: the mean final effect of both."""


def curves() -> list[Curve]:
    return [row for rows in json.loads(FILE.read_text("utf-8")).values() for row in rows]


def race(order: list[Curve], *, drop_below: float) -> tuple[dict[int, float], set[int]]:
    """Take candidates as a campaign does; return who was dropped at which bar, and who went on."""
    bars: dict[int, float] = {}
    here: dict[str, float] = {}
    finals: dict[str, float] = {}
    for i, curve in enumerate(order):
        here[str(i)] = curve[str(FIRST.steps)]
        bar = bar_of([*finals.values()])
        decision = decide(
            [here[str(i)]],
            bar=bar,
            noise=PAIR_NOISE,
            rung=rung_model(FIRST, LAST, here=here, final=finals),
            is_last=False,
            rules=RacingRules(drop_below=drop_below),
        )
        if decision.choice is RungChoice.DROP:
            bars[i] = bar
        else:
            finals[str(i)] = curve["0"]
    return bars, {int(i) for i in finals}


@pytest.fixture(scope="module")
def races():
    rng = np.random.default_rng(0)
    recorded = curves()
    orders = [[recorded[i] for i in rng.permutation(len(recorded))] for _ in range(N_ORDERS)]
    drop_below = EvidenceConfig().drop_below
    return [(order, *race(order, drop_below=drop_below)) for order in orders]


def test_the_stated_share_of_the_dropped_would_have_beaten_the_bar(races):
    """Z1: as near as so few candidates can tell, who are the same in every order."""
    wrong = [order[i]["0"] > bar for order, bars, _ in races for i, bar in bars.items()]
    n_dropped = round(len(wrong) / len(races))
    assert n_dropped >= 10
    n_wrong = round(n_dropped * np.mean(wrong))
    assert binomtest(n_wrong, n_dropped, EvidenceConfig().drop_below, "greater").pvalue > 0.05


def test_it_saves_compute_and_keeps_one_of_the_best_three(races):
    """Z2."""
    whole, part = LAST.n_seeds * LAST.steps, FIRST.steps
    saved, lost = [], []
    for order, bars, kept in races:
        spent = part * len(bars) + whole * len(kept)
        saved.append(whole * len(order) / spent)
        best = sorted(range(len(order)), key=lambda i: -order[i]["0"])[:3]
        lost.append(not kept & set(best))
    assert np.mean(saved) > 1.2
    assert np.mean(lost) < 0.05
