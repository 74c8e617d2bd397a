"""Confirmation with fresh seeds: admit, give up, or train one more seed.

The rules look only at scale-free statistics of the differences (the e-value, and the best e-value
that more seeds could still reach), as the validity of `log_t_process` demands. The mean in noise
units, its interval and the clock do not enter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from move37.evidence.evalues import log_t_e, t_e_value
from move37.evidence.fdr import is_admitted
from move37.evidence.inputs import EvidenceError, finite_array, probability


class ConfirmationChoice(StrEnum):
    """What to do after a fresh seed."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    """The candidate stays explored; its test is done and keeps its number."""
    NEED_SEED = "need_seed"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmationRules:
    """How many seeds a confirmation takes (`EvidenceConfig.confirm_seeds_min` and `_max`)."""

    seeds_min: int = 4
    seeds_max: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.seeds_min <= self.seeds_max:
            raise EvidenceError(
                f"confirmation needs 1 <= seeds_min <= seeds_max, got {self.seeds_min} and "
                f"{self.seeds_max}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """A decision and the numbers it rests on."""

    choice: ConfirmationChoice
    e_value: float
    level: float
    n_pairs: int
    reason: str


def assess(
    differences: Sequence[float],
    *,
    level: float,
    rules: ConfirmationRules,
    n_failed: int = 0,
) -> Confirmation:
    """Decide a confirmation from the paired differences so far.

    Confirmed when at least `seeds_min` pairs exist and the e-value reaches 1/level. Not confirmed
    when a fresh seed of the candidate failed (dropping failed seeds would select the lucky ones),
    when `seeds_max` is reached, or when even the best possible remaining seeds could not lift the
    e-value to 1/level. Otherwise one more seed is needed.

    Args:
        differences: combined paired differences in the planned order of seeds, without gaps; never
            in the order in which they finished.
        level: e-LOND level fixed when this test started (`fdr.next_level`).
        rules: number of seeds.
        n_failed: fresh seeds on which the candidate did not complete.

    Raises:
        EvidenceError: a difference is not finite, or a level not in (0, 1).
    """
    probability(level, "e-LOND level")
    n = len(differences)
    e_value = t_e_value(differences)
    needed = 1.0 / level

    def decide(choice: ConfirmationChoice, reason: str) -> Confirmation:
        return Confirmation(choice=choice, e_value=e_value, level=level, n_pairs=n, reason=reason)

    if n_failed:
        return decide(
            ConfirmationChoice.NOT_CONFIRMED,
            f"{n_failed} of {n + n_failed} fresh seeds did not complete",
        )
    if n >= rules.seeds_min and is_admitted(e_value, level):
        return decide(
            ConfirmationChoice.CONFIRMED,
            f"e-value {e_value:.3g} on {n} fresh seeds reaches {needed:.3g}",
        )
    if n >= rules.seeds_max:
        return decide(
            ConfirmationChoice.NOT_CONFIRMED,
            f"e-value {e_value:.3g} after all {n} fresh seeds; {needed:.3g} was needed",
        )
    best = best_reachable(differences, rules)
    if not is_admitted(best, level):
        return decide(
            ConfirmationChoice.NOT_CONFIRMED,
            f"e-value {e_value:.3g} after {n} fresh seeds; {needed:.3g} is needed, and even the "
            f"best {rules.seeds_max - n} more would give {best:.3g}",
        )
    return decide(
        ConfirmationChoice.NEED_SEED,
        f"e-value {e_value:.3g} after {n} fresh seeds; {needed:.3g} is needed",
    )


def best_reachable(differences: Sequence[float], rules: ConfirmationRules) -> float:
    """Return the largest e-value that any further seeds could give, up to `seeds_max`.

    With T = sum / sqrt(sum of squares) so far, m more differences can bring it to at most
    sqrt(max(T, 0)^2 + m) (Cauchy-Schwarz), and the e-value rises with T.
    """
    values = finite_array(differences, "paired differences")
    n, squares = len(values), math.fsum(values**2)
    statistic = max(math.fsum(values) / math.sqrt(squares), 0.0) if squares > 0 else 0.0
    logs = [
        log_t_e(total, np.array([math.sqrt(min(statistic**2 + total - n, total))]))[0]
        for total in range(max(n + 1, rules.seeds_min), rules.seeds_max + 1)
    ]
    return math.exp(min(max(logs, default=-math.inf), 700.0))
