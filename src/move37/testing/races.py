"""Races over recorded effects: what the rule of campaigns does with candidates known to the end.

The study (bench/racing_study.py) compares it with other rules, the tests hold it to its stated
error. Nothing is trained here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from move37.campaign.rules import best_of, rung_model
from move37.campaign.settings import load_preset
from move37.core.claims import RungChoice
from move37.core.config import Preset, Rung
from move37.evidence.racing import RacingRules, decide

CPU = load_preset("cpu")
SCORING = 15
"""Training steps that the scoring of one trial is worth: 0.75 s at 20 steps a second, measured."""
PAIR_NOISE = math.sqrt(2 / len(CPU.tasks))
"""Of one combined paired difference over the tasks of `cpu`, as campaigns assume it."""
Curve = dict[int, float]
"""Steps -> combined effect of the first seed; 0 -> the true final one, the mean of both seeds'; in
the searches that were recorded with one seed, that seed's last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """What a rule did with one population in one order."""

    steps: float
    """Training steps over all candidates and seeds, scoring included; of a preset with a ramp what
    is worth so many of `cpu`."""
    finals: dict[int, float]
    """Candidate -> what the rule knows of its final effect, for those that got to the end."""
    bars: dict[int, float] = field(default_factory=dict)
    """Dropped candidate -> the bar that it was not to beat, where the rule has one."""
    spent: dict[int, float] = field(default_factory=dict)
    """Candidate -> its part of the steps, where the rule takes them one after the other."""


def read_recorded(file: Path) -> dict[str, list[Curve]]:
    """Return the candidates of each recorded search, in its order (bench/racing/recorded.json)."""
    searches: dict[str, list[dict[str, float]]] = json.loads(file.read_text("utf-8"))
    return {
        name: [{int(steps): effect for steps, effect in row.items()} for row in rows]
        for name, rows in searches.items()
    }


Cost = Callable[[int, int], float]
"""What the training from one step to another is worth, in steps of `cpu`."""


def cost_of(preset: Preset) -> Cost:
    """Return what steps of a preset cost: its tokens over those of a step of `cpu`."""
    a_step = CPU.n_tokens(0, 1)
    return lambda first, last: preset.n_tokens(first, last) / a_step


STEPS = cost_of(CPU)


def everyone(curves: Sequence[Curve]) -> Race:
    """Train everybody to the end, with both seeds; the whole costs as much as on `cpu`."""
    finals = {i: curve[0] for i, curve in enumerate(curves)}
    return Race(steps=len(curves) * 2 * (max(curves[0]) + SCORING), finals=finals)


def race_in_turn(
    curves: Sequence[Curve],
    rungs: Sequence[Rung],
    *,
    drop_below: float,
    bar_of: Callable[[Sequence[float]], float] = best_of,
    budget: float = math.inf,
    lag: int = 0,
    cost: Cost = STEPS,
) -> Race:
    """Race as a campaign does (campaign/rules.py): one after the other, learning on the way.

    Args:
        curves: the candidates in their order, each with an effect at the steps of every rung.
        rungs: what each is stated to tell; a second seed follows the last of them.
        drop_below: as in `EvidenceConfig`.
        bar_of: the bar, from the final effects so far.
        budget: training steps, scoring included; a training that does not fit is not begun.
        lag: how many candidates before it a decision does not know (`SearchConfig.lag`).
        cost: of trainings.
    """
    last, steps = rungs[-1], 0.0
    whole = cost(0, last.steps) + SCORING
    seen: dict[int, dict[int, float]] = {rung.steps: {} for rung in rungs}
    truths: dict[int, float] = {}
    bars: dict[int, float] = {}
    spent: dict[int, float] = {}
    for i, curve in enumerate(curves):
        before, finals = 0, _known(truths, i - lag)
        for rung in rungs:
            part = cost(before, rung.steps) + SCORING
            if steps + part > budget:
                return Race(steps=steps, finals=truths, bars=bars, spent=spent)
            steps, before = steps + part, rung.steps
            spent[i] = spent.get(i, 0.0) + part
            here, bar = _known(seen[rung.steps], i - lag), bar_of([*finals.values()])
            effect = seen[rung.steps][i] = curve[rung.steps]
            decision = decide(
                [effect],
                bar=bar,
                noise=PAIR_NOISE,
                rung=rung_model(rung, last, here=here, final={} if rung is last else finals),
                is_last=False,
                rules=RacingRules(drop_below=drop_below),
            )
            if decision.choice is RungChoice.DROP:
                bars[i] = bar
                break
        else:
            if steps + whole > budget:
                return Race(steps=steps, finals=truths, bars=bars, spent=spent)
            steps += whole  # the second seed
            spent[i] += whole
            truths[i] = curve[0]
    return Race(steps=steps, finals=truths, bars=bars, spent=spent)


def _known(effects: dict[int, float], before: int) -> dict[str, float]:
    return {str(i): effect for i, effect in effects.items() if i < before}


def measured_on(curves: Sequence[Curve], *, by_factor: bool = False) -> dict[int, Rung]:
    """Measure what each number of steps tells about the last, as a preset states it.

    Args:
        curves: candidates that went to the end, not those of the race.
        by_factor: state a factor (`Rung.gain`) in place of a sum (`Rung.growth`); for candidates
            whose effects are mostly far from 0.
    """
    last = max(curves[0])
    final = np.array([curve[0] for curve in curves])
    found = {}
    for at in (at for at in curves[0] if at):
        here = np.array([curve[at] for curve in curves])
        true_spread = math.sqrt(max(here.var(ddof=1) - PAIR_NOISE**2, 0.25 * here.var(ddof=1)))
        correlation = np.cov(here, final)[0, 1] / (true_spread * final.std(ddof=1))
        factor = by_factor and at != last
        found[at] = Rung(
            steps=at,
            correlation=1.0 if at == last else float(np.clip(correlation, 0.0, 0.98)),
            spread=true_spread,
            gain=float(final.mean() / here.mean()) if factor else 1.0,
            growth=0.0 if factor or at == last else float((final - here).mean()),
        )
    return found
