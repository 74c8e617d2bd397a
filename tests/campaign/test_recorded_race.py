"""Racing on recorded effects: real candidates, all of them trained to the end (bench/racing).

Z1  Of those that the shipped rule drops, no larger share than it states would have beaten the bar.
Z2  It saves compute, and keeps one of the best three.
Z3  An earlier first look loses the best: they start slowly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from move37.campaign.settings import load_preset
from move37.core.config import EvidenceConfig, Rung
from move37.testing.races import Curve, Race, everyone, race_in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).parents[2] / "bench/racing/recorded.json"
CPU = load_preset("cpu")
LAST = CPU.rungs[-1]
RUNGS = (CPU.rungs[0], LAST)
EARLIER = (Rung(steps=120, correlation=0.85, spread=1.1, growth=2.2), LAST)
"""What the preset stated of an earlier first look, when it had one."""
POPULATION = 44
N_ORDERS = 300
DROP_BELOW = EvidenceConfig().drop_below

Raced = tuple[list[Curve], Race]
"""The order, and what the rule did with it."""


def orders() -> list[list[Curve]]:
    """Return random races among the candidates of a search from linear attention."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, float]] = json.loads(FILE.read_text("utf-8"))["racing-mixed"]
    assert len(rows) >= 60
    curves = [{int(steps): effect for steps, effect in row.items()} for row in rows]
    return [[curves[i] for i in rng.permutation(len(curves))[:POPULATION]]
            for _ in range(N_ORDERS)]  # fmt: skip


def race(order: list[Curve], rungs: Sequence[Rung]) -> Raced:
    return order, race_in_turn(order, rungs, drop_below=DROP_BELOW)


def lost(races: list[Raced]) -> float:
    """Return in what share of races all of the best three were dropped."""
    return float(np.mean([
        not raced.finals.keys() & set(sorted(range(len(order)), key=lambda i: -order[i][0])[:3])
        for order, raced in races
    ]))  # fmt: skip


@pytest.fixture(scope="module")
def races() -> list[Raced]:
    return [race(order, RUNGS) for order in orders()]


def test_no_larger_share_of_the_dropped_than_stated_would_have_beaten_the_bar(races):
    """Z1."""
    wrong = [order[i][0] > bar for order, raced in races for i, bar in raced.bars.items()]
    assert len(wrong) / len(races) >= 10
    assert np.mean(wrong) <= DROP_BELOW


def test_it_saves_compute_and_keeps_one_of_the_best_three(races):
    """Z2."""
    saved = [everyone(order).steps / raced.steps for order, raced in races]
    assert np.mean(saved) > 1.8
    assert lost(races) < 0.01


def test_an_earlier_look_would_lose_the_best(races):
    """Z3: which is why the preset waits for half the training."""
    assert lost([race(order, EARLIER) for order in orders()[:100]]) > lost(races) + 0.1
