"""The labs of known truth, as tables: what the guards find where we know what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from move37.core.errors import LabError
from move37.guards.effort import regret
from move37.guards.solvers import CURVES, answers
from move37.guards.trend import centred, shape_p, trend_p
from move37.guards.watching import first_alarms

SUBLIMINAL_SECONDS = 300.0
SOURCE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One truth, and what the guards make of it."""

    truth: str
    curve: tuple[float, ...]
    trend: float
    """How often the trend test finds a fall in 50 items, at 5 %."""
    shape: float
    alarms: float
    """How often the watch rings within 300 pairs, lowest against highest effort."""
    median_pair: int
    """The pair at which half of the watches have rung; 300 if they have not."""
    regret: float
    """Of the controller, a step, over 200."""
    regret_error: float
    """Its standard error over runs."""
    regret_max: float
    """Of always asking for the most."""


def inverse_scaling(*, seed: int, n_sweeps: int = 300, n_runs: int = 40) -> list[Row]:
    """Return the figures for scripted solvers of every curve; the same seed gives the same."""
    return [
        _row(truth, curve, seed=seed, n_sweeps=n_sweeps, n_runs=n_runs)
        for truth, curve in CURVES.items()
    ]


def _row(truth: str, curve: tuple[float, ...], *, seed: int, n_sweeps: int, n_runs: int) -> Row:
    rng = np.random.default_rng(seed)
    sweeps = answers(curve, 50, rng=rng, n_sweeps=n_sweeps)
    pairs = answers((curve[0], curve[-1]), 300, rng=rng, n_sweeps=4 * n_sweeps).astype(bool)
    rung = first_alarms(pairs[:, :, 0], pairs[:, :, 1])
    shapes = [shape_p(s, rng=rng, n_shuffles=200) < 0.05 for s in sweeps[: n_sweeps // 6]]
    adaptive = regret([curve], n_steps=200, n_runs=n_runs, seed=seed)
    always_most = regret([curve], n_steps=200, n_runs=1, seed=seed, fixed=len(curve) - 1)
    return Row(
        truth=truth,
        curve=curve,
        trend=float(np.mean([trend_p(s, centred(len(curve))) < 0.05 for s in sweeps])),
        shape=float(np.mean(shapes)),
        alarms=float((rung < pairs.shape[1]).mean()),
        median_pair=int(np.median(rung)),
        regret=adaptive.mean,
        regret_error=adaptive.standard_error,
        regret_max=always_most.mean,
    )


def subliminal(*, n_seeds: int = 6) -> dict[str, Any]:
    """Train teachers and students in a process of its own; return rates by network and seed.

    Raises:
        LabError: the process failed; says its last words.
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "move37.arena.subliminal", str(n_seeds)],
            capture_output=True,
            timeout=SUBLIMINAL_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"the subliminal lab took more than {SUBLIMINAL_SECONDS:.0f} s") from error
    if done.returncode != 0:
        if b"No module named 'sklearn'" in done.stderr:
            raise LabError("the subliminal lab needs scikit-learn: pip install 'move37[labs]'")
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise LabError(f"the subliminal lab failed: {' '.join(words) or done.returncode}")
    return json.loads(done.stdout)
