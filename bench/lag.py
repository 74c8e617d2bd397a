"""What does a lag cost, in time and in what decisions know? Recorded candidates, so many workers.

    python bench/lag.py [--file bench/racing/recorded.json] [--orders 400]

Candidate n begins when all before n - lag are done and a worker is free, and is raced as a campaign
does (the cpu preset), knowing those and no others. A small lag leaves workers idle, a large one
drops too few. Printed: the best one found, and how many ended, in the time in which the workers
together do so many whole trainings of two seeds; in brackets how much less the lag of 4 finds
in the same orders. Proposals are as recorded: what a search loses by knowing less is not here.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from move37.campaign.settings import load_preset
from move37.core.config import EvidenceConfig, SearchConfig
from move37.testing.races import Curve, everyone, race_in_turn, read_recorded
from racing_study import RAMPED

CPU = load_preset("cpu")
FIRST, LAST = CPU.rungs[0], CPU.rungs[-1]
DROP_BELOW = EvidenceConfig().drop_below
DEFAULT = SearchConfig().lag
LAGS = {1: (1, 2, 4), 2: (1, 2, 3, 4, 6), 4: (2, 3, 4, 6, 8), 8: (4, 6, 8, 12)}
"""Workers -> lags that are compared."""
WORTHS = (5, 10, 15)
"""Whole trainings that the workers have time for."""
RUN_OUT = 0.1
"""Share of orders that may run out of candidates before the time is over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--file", type=Path, default=Path("bench/racing/recorded.json"))
    parser.add_argument("--orders", type=int, default=400)
    chosen = parser.parse_args()
    for name, curves in read_recorded(chosen.file).items():
        if name.startswith(RAMPED):  # trained by another preset
            continue
        if {FIRST.steps, LAST.steps} <= curves[0].keys():
            _show(name, curves, chosen.orders)


def _show(name: str, curves: list[Curve], n_orders: int) -> None:
    print(f"\n## {name}: {len(curves)} candidates\n")
    columns = ("workers", "lag", *(f"time for {n} trainings: best, ended" for n in WORTHS))
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    raced = {lag: _raced(curves, lag, n_orders) for lag in sorted({*sum(LAGS.values(), ())})}
    whole = everyone(curves[:1]).steps
    for n_workers, lags in LAGS.items():
        found = {
            (lag, worth): np.array([
                _found(order, n_workers=n_workers, lag=lag, steps=worth * whole / n_workers)
                for order in raced[lag]
            ])
            for lag in lags
            for worth in WORTHS
        }  # fmt: skip
        for lag in lags:
            cells = [
                _cell(found[lag, worth], found[DEFAULT, worth], len(curves)) for worth in WORTHS
            ]
            print(f"| {n_workers} | {lag} | {' | '.join(cells)} |")


def _raced(curves: list[Curve], lag: int, n_orders: int) -> list[list[tuple[float, float]]]:
    """Return of every order: steps, and effect found, of each candidate; -inf for the dropped."""
    rng, orders = np.random.default_rng(0), []
    for _ in range(n_orders):
        order = [curves[i] for i in rng.permutation(len(curves))]
        race = race_in_turn(order, (FIRST, LAST), drop_below=DROP_BELOW, lag=lag)
        orders.append([(race.spent[i], race.finals.get(i, -math.inf)) for i in range(len(order))])
    return orders


def _found(
    order: Sequence[tuple[float, float]], *, n_workers: int, lag: int, steps: float
) -> tuple[float, int]:
    """Return the best effect found in so many steps of every worker, and how many ended."""
    free, ends, all_done = [0.0] * n_workers, list[float](), [0.0]  # all_done: by how many
    for length, _ in order:
        begin = max(min(free), all_done[max(0, len(ends) - lag)])
        free[free.index(min(free))] = end = begin + length
        ends.append(end)
        all_done.append(max(all_done[-1], end))
    ended = [effect for (_, effect), end in zip(order, ends, strict=True) if end <= steps]
    return max([0.0, *ended]), len(ended)


def _cell(found: np.ndarray, default: np.ndarray, n_candidates: int) -> str:
    best, ended = found.mean(axis=0)
    if np.mean(found[:, 1] == n_candidates) > RUN_OUT:
        return f"all {n_candidates} ended"
    gains = found[:, 0] - default[:, 0]
    paired = f" ({gains.mean():+.2f} ± {gains.std() / math.sqrt(len(gains)):.2f})"
    return f"{best:+.2f}, {ended:.0f}{paired if gains.any() else ''}"


if __name__ == "__main__":
    main()
