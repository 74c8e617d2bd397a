"""How much effort to ask for: discounted Thompson sampling over levels, neighbours share.

One controller per role and model. The reward is a fact (a patch ran, probes passed), never an
opinion. A part of the choices is uniform: accuracy may have a cliff, and the watch needs both
halves of the range. An alarm caps the levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

DISCOUNT = 0.985  # chosen with SHARE and SHARPEN on 900 random truths, half of them changing
SHARE = 0.1  # of an outcome that a neighbouring level is told
SHARPEN = 2.5  # outcomes count so often when a level is drawn: forgetting keeps few, draws are wide
EXPLORE = 0.05
COST = 0.05  # accuracy that the highest level must win over the lowest to be worth it; a choice


@dataclass(slots=True)
class Controller:
    """What is known about one role and model."""

    n_levels: int
    discount: float = DISCOUNT
    share: float = SHARE
    sharpen: float = SHARPEN
    explore: float = EXPLORE
    cost: float = COST
    cap: int | None = None
    """Highest level that may still be chosen."""
    right: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    wrong: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        """Begin with an even prior."""
        self.right, self.wrong = np.zeros(self.n_levels), np.zeros(self.n_levels)

    def choose(self, rng: np.random.Generator) -> int:
        """Return a level."""
        n_open = self.n_levels if self.cap is None else min(self.cap, self.n_levels - 1) + 1
        if rng.random() < self.explore:
            return int(rng.integers(n_open))
        right, wrong = self.sharpen * self.right[:n_open], self.sharpen * self.wrong[:n_open]
        drawn = rng.beta(1 + right, 1 + wrong)
        return int(np.argmax(drawn - self.cost * price(self.n_levels)[:n_open]))

    def learn(self, level: int, *, success: bool) -> None:
        """Take in an outcome: older ones fade, neighbours hear of it."""
        self.right *= self.discount
        self.wrong *= self.discount
        target_L = self.right if success else self.wrong
        for place, weight in ((level, 1.0), (level - 1, self.share), (level + 1, self.share)):
            if 0 <= place < self.n_levels:
                target_L[place] += weight

    @property
    def best(self) -> int:
        """Return the level that looks best now."""
        mean_L = (1 + self.right) / (2 + self.right + self.wrong)
        n_open = self.n_levels if self.cap is None else self.cap + 1
        return int(np.argmax((mean_L - self.cost * price(self.n_levels))[:n_open]))


def price(n_levels: int) -> NDArray[np.float64]:
    """Return the relative cost of levels, on the scale of doublings from 0 to 1."""
    return np.arange(n_levels) / max(1, n_levels - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Regret:
    """Loss a step against the best level of the time, over independent runs."""

    mean: float
    standard_error: float


def regret(
    curves: Sequence[Sequence[float]],
    *,
    n_steps: int,
    n_runs: int,
    seed: int,
    fixed: int | None = None,
    **settings: float,
) -> Regret:
    """Return the loss a step against the best level of the time, by simulation.

    Args:
        curves: the truth, one after the other, each for an equal part of the steps.
        n_steps: of a run.
        n_runs: independent runs.
        seed: of all of them.
        fixed: always this level, in place of a controller.
        settings: of the controller.
    """
    rng = np.random.default_rng(seed)
    n_levels = len(curves[0])
    lost_R = np.zeros(n_runs)
    for run in range(n_runs):
        controller = Controller(n_levels, **settings)  # type: ignore[arg-type]
        for step in range(n_steps):
            curve = curves[step * len(curves) // n_steps]
            worth_L = np.asarray(curve) - COST * price(n_levels)
            level = controller.choose(rng) if fixed is None else fixed
            lost_R[run] += float(worth_L.max() - worth_L[level]) / n_steps
            if fixed is None:
                controller.learn(level, success=bool(rng.random() < curve[level]))
    error = float(lost_R.std(ddof=1)) / n_runs**0.5 if n_runs > 1 else 0.0
    return Regret(mean=float(lost_R.mean()), standard_error=error)
