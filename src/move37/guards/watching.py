"""An alarm that may be looked at after every step: evidence that more effort makes things worse.

A pair is one outcome at low effort and one at high effort. Pairs that agree say nothing; of those
that differ at most half are right-low and wrong-high, if more effort does no harm. An e-process
bets against that: it passes 20 with probability 1/20 at most, however often somebody looks.
Source: A. Ramdas et al., "Game-Theoretic Statistics and Safe Anytime-Valid Inference", 2023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BETS = (0.2, 0.4, 0.6, 0.8)
ALARM = 20.0
"""Evidence that rings, for one stream; with k streams ask for k times as much."""
MOST_LOG = 700.0
"""Logarithm at which evidence is cut off: a little more is no number of the machine."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An e-process: start with `Evidence()`, `after` each pair gives the next."""

    n_pairs: int = 0
    n_harmed: int = 0
    """Pairs that were right with little effort and wrong with much."""
    n_helped: int = 0

    def after(self, *, low: bool, high: bool) -> Evidence:
        """Return the evidence with one more pair."""
        return Evidence(
            self.n_pairs + 1,
            self.n_harmed + (low and not high),
            self.n_helped + (high and not low),
        )

    @property
    def value(self) -> float:
        """Return what a gambler's 1 has become, mean over the bets; at most about 1e304."""
        logs = [self.n_harmed * math.log1p(b) + self.n_helped * math.log1p(-b) for b in BETS]
        return sum(math.exp(min(log, MOST_LOG)) for log in logs) / len(BETS)

    def rings(self, *, n_streams: int = 1) -> bool:
        """Whether the alarm is raised, with a bound over all streams together."""
        return self.value >= ALARM * n_streams


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call of one role and model: how much effort, and whether it came to something."""

    effort: int
    """Place among the levels, from 0."""
    success: bool


@dataclass(slots=True)
class Watch:
    """One role and model: pairs the calls of a campaign as they come, and keeps the evidence.

    A call in the lower half of the range is paired with the next free one in the upper half.
    Effort is drawn before the task is seen, so which of the two is harder is chance; a task that
    grows harder over time is met by pairing neighbours, the longest wait being `longest_wait`.
    """

    n_levels: int
    longest_wait: int = 20
    evidence: Evidence = field(default_factory=Evidence)
    peak: Evidence = field(default_factory=Evidence)
    """As it was when it was strongest: an alarm is not taken back."""
    _waiting: list[tuple[int, bool, bool]] = field(default_factory=list)
    _seen: int = 0

    def see(self, outcome: Outcome) -> Evidence:
        """Take in one outcome; return the evidence."""
        self._seen += 1
        if self.n_levels < 2:
            return self.evidence
        is_high = outcome.effort >= self.n_levels / 2
        self._waiting = [w for w in self._waiting if self._seen - w[0] <= self.longest_wait]
        partner = next((w for w in self._waiting if w[1] != is_high), None)
        if partner is None:
            self._waiting.append((self._seen, is_high, outcome.success))
            return self.evidence
        self._waiting.remove(partner)
        low, high = (partner[2], outcome.success) if is_high else (outcome.success, partner[2])
        self.evidence = self.evidence.after(low=low, high=high)
        if self.evidence.value > self.peak.value:
            self.peak = self.evidence
        return self.evidence


def first_alarms(
    low_RT: NDArray[np.bool_], high_RT: NDArray[np.bool_], *, alarm: float = ALARM
) -> NDArray[np.int64]:
    """Return at which step each of R watches of T pairs rings first; T if never."""
    harmed_RT = (low_RT & ~high_RT).cumsum(axis=1)
    helped_RT = (high_RT & ~low_RT).cumsum(axis=1)
    bets = np.asarray(BETS)[:, None, None]
    logs_BRT = harmed_RT * np.log1p(bets) + helped_RT * np.log1p(-bets)
    value_RT = np.exp(np.minimum(logs_BRT, MOST_LOG)).mean(axis=0)
    rings_RT = value_RT >= alarm
    never = low_RT.shape[1]
    return np.where(rings_RT.any(axis=1), rings_RT.argmax(axis=1), never)
