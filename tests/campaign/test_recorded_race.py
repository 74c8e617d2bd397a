"""Racing on recorded effects: real candidates, all of them trained to the end (bench/racing).

Z1  Of those that the shipped rule drops, no larger share than it states would have beaten the bar.
Z2  It saves compute, and keeps one of the best three.
Z3  An earlier first look loses the best: they start slowly.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from move37.campaign.rules import bar_of, rung_model
from move37.campaign.settings import load_preset
from move37.core.claims import RungChoice
from move37.core.config import EvidenceConfig, Rung
from move37.evidence.racing import RacingRules, decide

FILE = Path(__file__).parents[2] / "bench/racing/recorded.json"
CPU = load_preset("cpu")
FIRST, LAST = CPU.rungs[0], CPU.rungs[-1]
EARLIER = FIRST.model_copy(
    update={"steps": 120, "spread": 0.75, "correlation": 0.65, "growth": 4.2}
)
"""What an earlier look says, by the same recordings."""
PAIR_NOISE = (2 / len(CPU.tasks)) ** 0.5
POPULATION = 44
N_ORDERS = 300

Curve = dict[str, float]
"""Steps -> effect of the first seed; `0`: the mean final effect of both."""
Race = tuple[list[Curve], dict[int, float], set[int]]
"""The order, who was dropped at which bar, and who went on."""


def race(order: list[Curve], first: Rung) -> Race:
    """Take candidates as a campaign does."""
    bars: dict[int, float] = {}
    here: dict[str, float] = {}
    finals: dict[str, float] = {}
    for i, curve in enumerate(order):
        here[str(i)] = curve[str(first.steps)]
        bar = bar_of([*finals.values()])
        decision = decide(
            [here[str(i)]],
            bar=bar,
            noise=PAIR_NOISE,
            rung=rung_model(first, LAST, here=here, final=finals),
            is_last=False,
            rules=RacingRules(drop_below=EvidenceConfig().drop_below),
        )
        if decision.choice is RungChoice.DROP:
            bars[i] = bar
        else:
            finals[str(i)] = curve["0"]
    return order, bars, {int(i) for i in finals}


def orders() -> list[list[Curve]]:
    """Return random races among the candidates that were recorded at the first rung."""
    rng = np.random.default_rng(0)
    rows = [row for rows in json.loads(FILE.read_text("utf-8")).values() for row in rows]
    recorded = [row for row in rows if str(FIRST.steps) in row]
    assert len(recorded) >= 60
    return [[recorded[i] for i in rng.permutation(len(recorded))[:POPULATION]]
            for _ in range(N_ORDERS)]  # fmt: skip


def lost(races: list[Race]) -> float:
    """Return in what share of races all of the best three were dropped."""
    return float(np.mean([
        not kept & set(sorted(range(len(order)), key=lambda i: -order[i]["0"])[:3])
        for order, _, kept in races
    ]))  # fmt: skip


@pytest.fixture(scope="module")
def races() -> list[Race]:
    return [race(order, FIRST) for order in orders()]


def test_no_larger_share_of_the_dropped_than_stated_would_have_beaten_the_bar(races):
    """Z1."""
    wrong = [order[i]["0"] > bar for order, bars, _ in races for i, bar in bars.items()]
    assert len(wrong) / len(races) >= 10
    assert np.mean(wrong) <= EvidenceConfig().drop_below


def test_it_saves_compute_and_keeps_one_of_the_best_three(races):
    """Z2."""
    whole, part = LAST.n_seeds * LAST.steps, FIRST.steps
    saved = [
        whole * len(order) / (part * len(bars) + whole * len(kept)) for order, bars, kept in races
    ]
    assert np.mean(saved) > 1.5
    assert lost(races) < 0.01


def test_an_earlier_look_would_lose_the_best(races):
    """Z3: which is why the preset waits for half the training."""
    assert lost([race(order, EARLIER) for order in orders()[:100]]) > lost(races) + 0.03
