"""Published benchmark accuracies against their sampling noise: what a gain on a test set is worth.

A test set of n items leaves a standard error of sqrt(p (1 - p) / n) on an accuracy p. That is the
least noise there is: training seeds, choice among many models and items that are shared add to it
or correlate it, and nothing published says how much.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

N_ITEMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "LAMBADA": (5153, ("lambada", "lmb", "lamacc", "lam")),
    "PIQA": (1838, ("piqa",)),
    "HellaSwag": (10042, ("hella",)),
    "WinoGrande": (1267, ("wino",)),
    "ARC-e": (2376, ("arceasy", "arce")),
    "ARC-c": (1172, ("arcchallenge", "arcc")),
    "SIQA": (1954, ("siqa", "socialiqa")),
    "BoolQ": (3270, ("boolq",)),
    "OpenBookQA": (500, ("openbook", "obqa")),
}
"""Items of the test sets that lm-evaluation-harness scores, and how columns are called."""

MEAN_OF = ("PIQA", "HellaSwag", "WinoGrande", "ARC-e", "ARC-c", "SIQA", "BoolQ")
"""The seven whose mean the paper's Table 2 gives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """A difference of two accuracies (or means of accuracies), in points of a hundred."""

    points: float
    standard_error: float
    """Binomial, of the difference: both sides are measured once."""

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.points / self.standard_error if self.standard_error > 0 else 0.0

    @property
    def p_value(self) -> float:
        """One-sided: how often noise alone gives as much."""
        return 0.5 * math.erfc(self.z / math.sqrt(2))


@dataclass(frozen=True, kw_only=True, slots=True)
class SpreadRow:
    """How far models differ on one benchmark, against what sampling alone would show."""

    benchmark: str
    n_items: int
    n_models: int
    mean: float
    """Points."""
    deviation: float
    """Between models, points."""
    binomial: float
    """Standard error of one model, points."""
    p_value: float
    """That models of equal skill would differ as much, were their items drawn apart."""


def accuracies(published: Mapping[str, float]) -> dict[str, float]:
    """Return accuracies in [0, 1] by benchmark; perplexities, means and unknown columns left out.

    A row in points of a hundred is told by a value above 1.
    """
    found = {}
    for column, value in published.items():
        name = benchmark_of(column)
        if name and name not in found:
            found[name] = value
    scale = 100.0 if any(value > 1 for value in found.values()) else 1.0
    return {name: v / scale for name, v in found.items() if 0 <= v / scale <= 1}


def benchmark_of(column: str) -> str:
    """Name the benchmark a column is about; empty for none with a known number of items."""
    key = re.sub(r"[^a-z]", "", column.lower())
    if "ppl" in key or "perplexity" in key:
        return ""
    for name, (_, spellings) in N_ITEMS.items():
        if any(key.startswith(spelling) for spelling in spellings):
            return name
    return ""


def standard_error(p: float, n_items: int) -> float:
    """Return the binomial standard error of an accuracy; never 0, also at 0 and 1."""
    inside = (p * n_items + 1) / (n_items + 2)
    return math.sqrt(inside * (1 - inside) / n_items)


def gain(ours: Mapping[str, float], theirs: Mapping[str, float]) -> Gain | None:
    """Return the gain of a mean over the benchmarks both have; None if they share none."""
    shared = [name for name in N_ITEMS if name in ours and name in theirs]
    if not shared:
        return None
    points = 100 * math.fsum(ours[n] - theirs[n] for n in shared) / len(shared)
    variance = math.fsum(
        standard_error(side[n], N_ITEMS[n][0]) ** 2 for n in shared for side in (ours, theirs)
    )
    return Gain(points=points, standard_error=100 * math.sqrt(variance) / len(shared))


def mean_points(row: Mapping[str, float]) -> float | None:
    """Return the mean over the paper's seven, in points; None unless all are there."""
    if any(name not in row for name in MEAN_OF):
        return None
    return 100 * math.fsum(row[name] for name in MEAN_OF) / len(MEAN_OF)


def gain_over_mean(row: Mapping[str, float], baseline_points: float) -> Gain | None:
    """Return the gain over a published mean, whose noise is taken to be as large as ours."""
    mean = mean_points(row)
    if mean is None:
        return None
    variance = math.fsum(standard_error(row[n], N_ITEMS[n][0]) ** 2 for n in MEAN_OF)
    error = 100 * math.sqrt(2 * variance) / len(MEAN_OF)
    return Gain(points=mean - baseline_points, standard_error=error)


def spread_rows(rows: Sequence[Mapping[str, float]]) -> list[SpreadRow]:
    """Return each benchmark's spread over models; needs two models at least."""
    from scipy.special import chdtrc

    found = []
    for name, (n_items, _) in N_ITEMS.items():
        values = [row[name] for row in rows if name in row]
        if len(values) < 2:
            continue
        mean = math.fsum(values) / len(values)
        squares = math.fsum((v - mean) ** 2 for v in values)
        error = standard_error(mean, n_items)
        found.append(
            SpreadRow(
                benchmark=name,
                n_items=n_items,
                n_models=len(values),
                mean=100 * mean,
                deviation=100 * math.sqrt(squares / (len(values) - 1)),
                binomial=100 * error,
                p_value=float(chdtrc(len(values) - 1, squares / error**2)),
            )
        )
    return found
