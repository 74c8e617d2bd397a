"""Whether a candidate is new, before compute is paid: by its normal form, then by its behaviour.

Two programs with one normal form, or with one behavioural fingerprint, are one idea. A repeat of
something that failed is answered with why it failed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from move37.core.candidate import Candidate
from move37.core.claims import VerdictKind
from move37.core.errors import SourceError
from move37.memory.forms import distance, form_of, forms_of
from move37.memory.state import Entry, State

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


def nearest(candidate: Candidate, state: State, *, fingerprint: Sequence[float] = ()) -> Nearest:
    """Find what a candidate is most like among everything a state knows.

    Without `fingerprint` source alone is compared; with it (after the probes ran) behaviour comes
    first. A source that does not parse counts as new: the probes will say what is wrong with it.
    """
    if (same := state.candidates.get(candidate.id)) is not None:
        return _repeat(same, "is, to the letter,")
    others = list(state.candidates.values())
    if not others:
        return Nearest(id="", distance=1.0, is_novel=True, reason="nothing to compare with yet")
    if fingerprint:
        entry, apart = min(_by_behaviour(fingerprint, others), key=lambda pair: pair[1])
        if apart <= SAME_BEHAVIOUR:
            return _repeat(entry, f"computes the same function (within {apart:.0e}) as")
    return _by_source(candidate, others)


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


def _by_behaviour(
    fingerprint: Sequence[float], others: list[Entry]
) -> Iterator[tuple[Entry, float]]:
    for entry in others:
        known = entry.probes.fingerprint if entry.probes else ()
        yield entry, behavioural_distance(fingerprint, known)


def _by_source(candidate: Candidate, others: list[Entry]) -> Nearest:
    try:
        form = form_of(candidate)
    except SourceError as error:
        reason = f"novelty not judged: {error}"
        return Nearest(id="", distance=1.0, is_novel=True, reason=reason)
    apart = [
        (distance(form, other), place)
        for place, other in enumerate(forms_of([entry.candidate for entry in others]))
        if not isinstance(other, SourceError)
    ]
    if not apart:
        return Nearest(id="", distance=1.0, is_novel=True, reason="nothing known can be parsed")
    smallest, place = min(apart)
    entry = others[place]
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
