"""Whether a candidate is new, before compute is paid: by its normal form, then by its behaviour.

Two programs with one normal form are one idea; so are two that compute the same function (one
behavioural fingerprint) and start from the same initial values. A repeat of something that failed
is answered with why it failed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.core.candidate import Candidate
from move37.core.claims import VerdictKind
from move37.core.errors import SourceError
from move37.core.trial import ProbeReport
from move37.memory.behaviours import Behaviours
from move37.memory.forms import nearest_by_form
from move37.memory.state import Entry, State

ALIKE = 5.0  # standard errors: of ten thousand pairs of equal distributions not one is told apart
SAME_BEHAVIOUR = 1e-6  # assumed: float64 sums in another order differ by 1e-12, ideas by 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearest:
    """The known candidate that is most like a new one."""

    id: str
    """Empty when nothing is known."""
    distance: float
    """In [0, 1]; 0 is the same."""
    is_novel: bool
    reason: str


def nearest(candidate: Candidate, state: State) -> Nearest:
    """Find whose source a candidate's is most like, among everything a state knows.

    A source that does not parse counts as new: the probes will say what is wrong with it.
    """
    if (same := state.candidates.get(candidate.id)) is not None:
        return _repeat(same, "is, to the letter,")
    if not state.candidates:
        return Nearest(id="", distance=1.0, is_novel=True, reason="nothing to compare with yet")
    return _by_source(candidate, state)


def nearest_behaviour(
    candidate: Candidate, report: ProbeReport, state: State, behaviours: Behaviours
) -> Nearest:
    """Find whose function a probed candidate's is most like, among all that passed their probes.

    Whoever failed its probes is left out: a layer that does the same and passes is no repeat of it.
    The same function from other initial values is another idea. `behaviours` spares comparing with
    everyone: the answer is the same with an empty one.
    """
    others = behaviours.near(
        report.fingerprint, state.candidates, within=SAME_BEHAVIOUR, but=candidate.id
    )
    apart = [
        (behavioural_distance(report.fingerprint, other.probes.fingerprint), place)
        for place, other in enumerate(others)
        if other.probes
    ]
    smallest, place = min(apart, default=(1.0, 0))
    if smallest == 1.0:
        return Nearest(id="", distance=1.0, is_novel=True, reason="no behaviour to compare with")
    twins = [others[place] for distance, place in apart if distance <= SAME_BEHAVIOUR]
    for twin in twins:
        if twin.probes and starts_alike(report, twin.probes):
            return _repeat(twin, "computes the same function, from the same start, as")
    entry = others[place]
    reason = f"{_name(entry)} behaves most like it, at distance {smallest:.2g}"
    if twins:
        reason = f"it computes the same function as {_name(entry)}, from other initial values"
    return Nearest(id=entry.id, distance=smallest, is_novel=True, reason=reason)


def starts_alike(one: ProbeReport, other: ProbeReport) -> bool:
    """Say whether two layers' initial values may come from the same distributions.

    Means and deviations within ALIKE standard errors of each other, parameter by parameter. Reports
    without these numbers (of older versions) are never alike.
    """
    if not one.start or len(one.start) != len(other.start):
        return False
    return all(_alike(a, b) for a, b in zip(one.start, other.start, strict=True))


def _alike(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    (n, mean, deviation), (other_n, other_mean, other_deviation) = a, b
    if n != other_n:
        return False
    spread = max(deviation, other_deviation)
    allowed = ALIKE * spread / math.sqrt(n) + 1e-3 * max(abs(mean), abs(other_mean))
    # of a normal's deviation the standard error is spread / sqrt(2 n), of a uniform's less
    return abs(mean - other_mean) <= allowed and abs(deviation - other_deviation) <= allowed


def behavioural_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the distance of two fingerprints in units of their size, in [0, 1].

    1 if they cannot be compared: of unequal length, empty, or not finite.
    """
    if len(a) != len(b) or not a or not all(map(math.isfinite, (*a, *b))):
        return 1.0
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    largest = max(np.abs(x).max(), np.abs(y).max())
    if largest == 0.0:
        return 0.0
    x, y = x / largest, y / largest  # so that no square overflows
    return float(np.linalg.norm(x - y) / (np.linalg.norm(x) + np.linalg.norm(y)))


def _by_source(candidate: Candidate, state: State) -> Nearest:
    try:
        smallest, ids = nearest_by_form(candidate, state.candidates)
    except SourceError as error:
        reason = f"novelty not judged: {error}"
        return Nearest(id="", distance=1.0, is_novel=True, reason=reason)
    if not ids:
        return Nearest(id="", distance=1.0, is_novel=True, reason="nothing known can be parsed")
    entry = next(e for id_, e in state.candidates.items() if id_ in ids)
    if smallest == 0.0:
        return _repeat(entry, "is, names and layout aside,")
    reason = f"{smallest:.0%} of its code is not shared with {_name(entry)}, the nearest known"
    return Nearest(id=entry.id, distance=smallest, is_novel=True, reason=reason)


def _repeat(entry: Entry, how: str) -> Nearest:
    reason = f"it {how} {_name(entry)}{_fate(entry)}"
    return Nearest(id=entry.id, distance=0.0, is_novel=False, reason=reason)


def _name(entry: Entry) -> str:
    kind = "candidate" if entry.index >= 0 else f"the {entry.role}"
    return f"{kind} {entry.candidate.idea.name!r} ({entry.id})"


def _fate(entry: Entry) -> str:
    verdict = entry.search_verdict  # a confirmation stays private: this gets into lessons
    if verdict is None:
        return ""
    failed = verdict.kind in {VerdictKind.REJECTED, VerdictKind.REFUTED}
    return f", which was {verdict.kind}" + (f": {verdict.reason}" if failed else "")
