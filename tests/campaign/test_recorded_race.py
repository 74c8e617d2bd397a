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
LAST = CPU.rungs[-1]
RUNGS = (CPU.rungs[0], LAST)
EARLIER = (Rung(steps=120, correlation=0.85, spread=1.1, growth=2.2), LAST)
"""What the preset stated of an earlier first look, when it had one."""
PAIR_NOISE = (2 / len(CPU.tasks)) ** 0.5
POPULATION = 44
N_ORDERS = 300

Curve = dict[str, float]
"""Steps -> effect of the first seed; `0`: the mean final effect of both."""
Race = tuple[list[Curve], dict[int, float], set[int]]
"""The order, who was dropped at which bar, and who went on."""


def race(order: list[Curve], rungs: tuple[Rung, Rung]) -> Race:
    """Take candidates as a campaign does: a second seed for those that two looks let pass."""
    bars: dict[int, float] = {}
    here: dict[int, dict[str, float]] = {rung.steps: {} for rung in rungs}
    finals: dict[str, float] = {}
    for i, curve in enumerate(order):
        for rung in rungs:
            effect = here[rung.steps][str(i)] = curve[str(rung.steps)]
            bar, is_whole = bar_of([*finals.values()]), rung.steps == LAST.steps
            decision = decide(
                [effect],
                bar=bar,
                noise=PAIR_NOISE,
                rung=rung_model(
                    rung, LAST, here=here[rung.steps], final={} if is_whole else finals
                ),
                is_last=False,
                rules=RacingRules(drop_below=EvidenceConfig().drop_below),
            )
            if decision.choice is RungChoice.DROP:
                bars[i] = bar
                break
        else:
            finals[str(i)] = curve["0"]
    return order, bars, {int(i) for i in finals}


def orders() -> list[list[Curve]]:
    """Return random races among the candidates of a search from linear attention."""
    rng = np.random.default_rng(0)
    recorded: list[Curve] = json.loads(FILE.read_text("utf-8"))["racing-mixed"]
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
    return [race(order, RUNGS) for order in orders()]


def test_no_larger_share_of_the_dropped_than_stated_would_have_beaten_the_bar(races):
    """Z1."""
    wrong = [order[i]["0"] > bar for order, bars, _ in races for i, bar in bars.items()]
    assert len(wrong) / len(races) >= 10
    assert np.mean(wrong) <= EvidenceConfig().drop_below


def test_it_saves_compute_and_keeps_one_of_the_best_three(races):
    """Z2: as if everyone that is dropped were dropped at the first look, or else at the second."""
    whole, first = LAST.n_seeds * LAST.steps, RUNGS[0].steps
    least = [
        whole * len(order) / (LAST.steps * len(bars) + whole * len(kept))
        for order, bars, kept in races
    ]
    most = [
        whole * len(order) / (first * len(bars) + whole * len(kept)) for order, bars, kept in races
    ]
    assert np.mean(least) > 1.3
    assert np.mean(most) > 1.8
    assert lost(races) < 0.01


def test_an_earlier_look_would_lose_the_best(races):
    """Z3: which is why the preset waits for half the training."""
    assert lost([race(order, EARLIER) for order in orders()[:100]]) > lost(races) + 0.1
