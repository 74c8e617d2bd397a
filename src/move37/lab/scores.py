"""What a scoring gives: scores, answers at the cuts, and the evidence when one was forged.

G graded positions of a window, N windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from move37.core.trial import Outcome, TaskScore
from move37.lab.blind import Window
from move37.lab.metrics import mean_over_windows

BIAS_LIMIT_NATS = 1e-3
"""Mean gain that B may have over A at the cuts. Measured for honest layers: 0 on a CPU."""
CONSISTENCY_LIMIT = 6.0
"""Standard errors by which the cut score may be worse than the full one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutScore:
    """What child A said at the cuts: one answer a window, given without its next token in reach."""

    nats: float
    standard_error: float
    n_answers: int
    excess: float
    """How much worse than the same windows' full score, in standard errors; 0 is expected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Forged:
    """Evidence that an answer rests on something else than the prefix."""

    check: str
    """`prefix`: A against B; `repeat`: B against itself; `bias`, `consistency`: over windows."""
    task: str
    window: int = -1
    position: int = -1
    size: float
    limit: float
    token: int = -1
    """Whose probability differs most."""
    first: float = math.nan
    second: float = math.nan
    """Log-probability of that token in both answers."""

    def describe(self) -> str:
        """Return one sentence for the Outcome. It does not tell where the cut was."""
        if self.check == "bias":
            return (
                f"{self.task}: answers are better by {self.size:.2g} nats when the next token is "
                f"in reach, limit {self.limit:g}"
            )
        if self.check == "consistency":
            return (
                f"{self.task}: answers at secret cuts are worse than the full score by "
                f"{self.size:.1f} standard errors, limit {self.limit:g}"
            )
        what = {
            "prefix": "the same prefix was answered differently when other tokens followed",
            "repeat": "the same window was answered differently when it was asked again",
        }[self.check]
        return (
            f"{self.task}, window {self.window}: {what} (log-probability of token {self.token} "
            f"{self.first:.4f}, then {self.second:.4f}: {self.size:.2g} of the spread, limit "
            f"{self.limit:g}). An answer may depend on its prefix alone: not on later tokens, "
            "other rows of the batch, or earlier calls"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreResult:
    """Scores of all tasks exactly when the outcome is COMPLETED."""

    outcome: Outcome
    reason: str = ""
    scores: dict[str, TaskScore] = field(default_factory=dict)
    cuts: dict[str, CutScore] = field(default_factory=dict)
    """Tasks of which no cut could fall on a graded position are missing here."""
    forged: Forged | None = None


def conclude(
    windows: Sequence[Window],
    nats: Sequence[np.ndarray],
    hits: Sequence[np.ndarray],
    cut_nats: Sequence[float],
) -> ScoreResult:
    """Turn answers into scores, task by task, and weigh them against the answers at the cuts.

    Args:
        windows: all tasks' windows, N of them.
        nats: child B's cross-entropies at each window's graded positions.
        hits: whether its largest logit was the target there.
        cut_nats: child A's cross-entropy at each window's cut - 1; NaN where it is not graded.
    """
    scores: dict[str, TaskScore] = {}
    cuts: dict[str, CutScore] = {}
    for task in dict.fromkeys(window.task for window in windows):
        members = [i for i, window in enumerate(windows) if window.task == task]
        scores[task] = _task_score([nats[i] for i in members], [hits[i] for i in members])
        at_cut = [i for i in members if windows[i].eligible_P.any()]
        if len(at_cut) < 2:
            continue
        honest_N = np.array([cut_nats[i] for i in at_cut])
        same_N, all_N = np.array([_at_and_around_cut(windows[i], nats[i]) for i in at_cut]).T
        cuts[task] = _cut_score(honest_N, all_N)
        for check, size, limit in (
            ("bias", float((honest_N - same_N).mean()), BIAS_LIMIT_NATS),
            ("consistency", cuts[task].excess, CONSISTENCY_LIMIT),
        ):
            if size > limit:
                return refused(Forged(check=check, task=task, size=size, limit=limit))
    return ScoreResult(outcome=Outcome.COMPLETED, scores=scores, cuts=cuts)


def refused(forged: Forged) -> ScoreResult:
    """Return the result of a candidate that was caught."""
    return ScoreResult(outcome=Outcome.FORGED, reason=forged.describe(), forged=forged)


def _task_score(nats: Sequence[np.ndarray], hits: Sequence[np.ndarray]) -> TaskScore:
    counts_N = np.array([len(window) for window in nats])
    mean, standard_error = mean_over_windows(np.array([w.sum() for w in nats]), counts_N)
    return TaskScore(
        nats=mean,
        accuracy=float(np.concatenate(hits).mean()),
        n_answers=int(counts_N.sum()),
        standard_error=standard_error,
    )


def _at_and_around_cut(window: Window, nats_P: np.ndarray) -> tuple[float, float]:
    """Return child B's nats at cut - 1, and their mean over all places the cut could have been."""
    at_cut = int(np.searchsorted(window.positions_P, window.cut - 1))
    return float(nats_P[at_cut]), float(nats_P[window.eligible_P].mean())


def _cut_score(honest_N: np.ndarray, all_N: np.ndarray) -> CutScore:
    """Summarise one answer per window; under honesty its expectation is the window's mean."""
    mean, standard_error = mean_over_windows(honest_N, np.ones(len(honest_N)))
    excess, excess_error = mean_over_windows(honest_N - all_N, np.ones(len(honest_N)))
    return CutScore(
        nats=mean,
        standard_error=standard_error,
        n_answers=len(honest_N),
        excess=excess / excess_error if excess_error > 0 else 0.0,
    )
