"""The inverse-scaling lab: what tests, watch and controller find for solvers of known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from move37.guards import published
from move37.guards.effort import Regret, regret
from move37.guards.solvers import CURVES, answers
from move37.guards.trend import centred, shape_p, trend_p
from move37.guards.watching import first_alarms

LEVEL = 0.05
ITEMS = (10, 20, 30, 50)
COMPARED = (20, 50, 100)
"""Items at which ours is set beside the published rules."""
PAIRS = (50, 100, 200, 300)
PLAIN = {"discount": 1.0, "share": 0.0, "sharpen": 1.0, "explore": 0.0}
"""Thompson sampling that forgets nothing, as a setting of the controller."""
RISE, FALL = CURVES["rising .50 to .80"], CURVES["falling .90 to .70"]
TRUTHS: dict[str, tuple[tuple[float, ...], ...]] = {
    **{name: (curve,) for name, curve in CURVES.items()},
    "rise, then fall": (RISE, FALL),
    "fall, then rise": (FALL, RISE),
}
"""What the controller meets: one curve, or one after the other, for as many steps each."""
STEPS = 200
OURS = "move37"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One curve, and how often a fall is found in it, at 5 %."""

    truth: str
    curve: tuple[float, ...]
    trend: dict[int, float]
    """Items -> share of sweeps."""
    shape: float
    """With the most items."""
    alarms: dict[int, float]
    """Pairs -> share of watches that rang by then, lowest against highest effort."""
    median_pair: int | None
    """At which half of the watches have rung; None if they have not by the last."""
    compared: dict[str, dict[int, float]]
    """Rule -> items -> share of sweeps: the published ones, and ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choosing:
    """One truth, and the accuracy that is lost a step by ways to choose effort."""

    truth: str
    n_steps: int
    regret: dict[str, Regret] = field(default_factory=dict)
    """Way -> loss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Everything that the lab prints."""

    n_sweeps: int
    n_watches: int
    n_shapes: int
    n_runs: int
    findings: tuple[Finding, ...]
    choosing: tuple[Choosing, ...]


def inverse_scaling(*, seed: int, n_sweeps: int = 1000, n_runs: int = 60) -> Found:
    """Return the figures for scripted solvers of every curve; the same seed gives the same.

    Args:
        seed: of the solvers.
        n_sweeps: simulated sweeps of a curve; four times as many watches, a fifth for the shape.
        n_runs: of each controller.
    """
    n_shapes, n_watches = max(1, n_sweeps // 5), 4 * n_sweeps
    return Found(
        n_sweeps=n_sweeps,
        n_watches=n_watches,
        n_shapes=n_shapes,
        n_runs=n_runs,
        findings=tuple(
            _finding(truth, curve, seed=seed, n_sweeps=n_sweeps, n_shapes=n_shapes)
            for truth, curve in CURVES.items()
        ),
        choosing=tuple(
            _choosing(truth, curves, seed=seed, n_runs=n_runs) for truth, curves in TRUTHS.items()
        ),
    )


def _finding(
    truth: str, curve: tuple[float, ...], *, seed: int, n_sweeps: int, n_shapes: int
) -> Finding:
    rng = np.random.default_rng(seed)
    x_L = centred(len(curve))
    # the first n items of a sweep are a sweep of n items
    sweeps = answers(curve, max(*ITEMS, *COMPARED), rng=rng, n_sweeps=n_sweeps)
    found = {
        n: float(np.mean([trend_p(s[:n], x_L) < LEVEL for s in sweeps]))
        for n in sorted({*ITEMS, *COMPARED})
    }
    shapes = [shape_p(s[: max(ITEMS)], rng=rng, n_shuffles=200) < LEVEL for s in sweeps[:n_shapes]]
    ends = (curve[0], curve[-1])
    pairs = answers(ends, max(PAIRS), rng=rng, n_sweeps=4 * n_sweeps).astype(bool)
    rung = first_alarms(pairs[:, :, 0], pairs[:, :, 1])
    median = int(np.median(rung))
    rules = {
        name: {n: published.share(name, sweeps[:, :n]) for n in COMPARED}
        for name in published.RULES
    }
    return Finding(
        truth=truth,
        curve=curve,
        trend={n: found[n] for n in ITEMS},
        shape=float(np.mean(shapes)),
        alarms={n: float((rung < n).mean()) for n in PAIRS},
        median_pair=median if median < max(PAIRS) else None,
        compared={**rules, OURS: {n: found[n] for n in COMPARED}},
    )


def _choosing(
    truth: str, curves: Sequence[tuple[float, ...]], *, seed: int, n_runs: int
) -> Choosing:
    n_steps = STEPS * len(curves)

    def always(level: int) -> Regret:
        return regret(curves, n_steps=n_steps, n_runs=1, seed=seed, fixed=level)

    plain = regret(curves, n_steps=n_steps, n_runs=n_runs, seed=seed, fixed=None, **PLAIN)
    return Choosing(
        truth=truth,
        n_steps=n_steps,
        regret={
            "always most": always(len(curves[0]) - 1),
            "always least": always(0),
            "plain Thompson": plain,
            OURS: regret(curves, n_steps=n_steps, n_runs=n_runs, seed=seed),
        },
    )
