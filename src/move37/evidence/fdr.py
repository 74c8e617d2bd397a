"""e-LOND: which confirmations enter the gallery, so that 5 % of those that ever do are false.

A campaign tests candidates one after another without knowing how many will come. Test number t is
judged at level alpha_t = alpha * gamma_t * (D_t + 1) with gamma_t = 6 / (pi^2 t^2), which sums to
1, and D_t the discoveries known when it began; it is a discovery when its e-value is at least
1/alpha_t.

Why it holds, resumes and parallel drivers included: the level is fixed when the test starts and D_t
counts only what had finished by then, so D_t + 1 is at most the number of discoveries at the end if
t is one. As 1{e >= 1/a} <= a e, a true null t adds at most E[alpha_t e_t / (D_t + 1)] =
alpha * gamma_t * E[e_t] <= alpha * gamma_t to the false share, and the gammas sum to 1. Of an
e-value only E[e_t] <= 1 is used, so the tests may depend on each other (they share the baseline's
runs). Order is that of the starts; a test that was started and lost keeps its number for good.

Sources: Z. Xu and A. Ramdas, "Online multiple testing with e-values", AISTATS 2024 (PMLR 238);
A. Javanmard and A. Montanari, "On online control of false discovery rate", arXiv 1502.06197 (LOND).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from move37.evidence.inputs import EvidenceError, probability


@dataclass(frozen=True, kw_only=True, slots=True)
class OnlineTest:
    """One confirmation as the ledger tells it. Positions are places in the ledger, rising."""

    id: str
    started: int
    """Position at which its level was fixed; no two tests share one."""
    finished: int | None = None
    """Position of its verdict; None while it runs or when it was lost."""
    e_value: float | None = None
    """At the verdict; None together with `finished`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnlineResult:
    """A test with the level it was judged at."""

    id: str
    number: int
    """Rank by start, from 1."""
    level: float
    is_discovery: bool


def gamma(number: int) -> float:
    """Return the share of the error budget that test `number` (from 1) may spend; sums to 1."""
    return 6.0 / (math.pi * number) ** 2


def level(number: int, discoveries: int, *, alpha: float) -> float:
    """Return the e-LOND level of test `number` (from 1) with `discoveries` known at its start.

    Raises:
        EvidenceError: a count out of range, or alpha not in (0, 1).
    """
    if number < 1 or not 0 <= discoveries < number:
        raise EvidenceError(
            f"test {number} cannot have {discoveries} discoveries before it; tests count from 1"
        )
    return min(probability(alpha, "alpha") * gamma(number) * (discoveries + 1), 1.0)


def is_admitted(e_value: float, level: float) -> bool:
    """Whether the e-value suffices at this level: e_value >= 1 / level."""
    return e_value * level >= 1.0


def judge(tests: Iterable[OnlineTest], *, alpha: float) -> tuple[OnlineResult, ...]:
    """Return every test with its level and whether it is a discovery, in order of start.

    A fold over the sequence: results never change when later tests are added.

    Args:
        tests: in any order; unfinished ones take part with their number.
        alpha: false-discovery level over all that are ever admitted.

    Raises:
        EvidenceError: two tests with one start or one id, a finish before its start, an e-value
            without a finish or the other way round, a negative or NaN e-value.
    """
    ordered = sorted(tests, key=lambda test: test.started)
    _check(ordered)
    results: list[OnlineResult] = []
    found: list[int] = []
    for number, test in enumerate(ordered, start=1):
        known = sum(finished < test.started for finished in found)
        its_level = level(number, known, alpha=alpha)
        is_discovery = test.e_value is not None and is_admitted(test.e_value, its_level)
        if is_discovery and test.finished is not None:
            found.append(test.finished)
        results.append(
            OnlineResult(id=test.id, number=number, level=its_level, is_discovery=is_discovery)
        )
    return tuple(results)


def next_level(tests: Iterable[OnlineTest], *, alpha: float) -> float:
    """Return the level of a test that starts now, after everything in `tests`.

    Raises:
        EvidenceError: as for `judge`.
    """
    tests = list(tests)
    after = 1 + max((max(t.started, t.finished or t.started) for t in tests), default=0)
    return judge([*tests, OnlineTest(id="\0next", started=after)], alpha=alpha)[-1].level


def _check(ordered: list[OnlineTest]) -> None:
    ids = {test.id for test in ordered}
    starts = {test.started for test in ordered}
    if min(len(ids), len(starts)) < len(ordered):
        raise EvidenceError(
            f"{len(ordered)} tests have {len(ids)} ids and {len(starts)} starts; "
            "each test needs its own"
        )
    for test in ordered:
        if (test.finished is None) != (test.e_value is None):
            raise EvidenceError(f"test {test.id}: finished and e_value come together")
        if test.finished is not None and test.finished <= test.started:
            raise EvidenceError(
                f"test {test.id} finished at {test.finished}, before its start {test.started}"
            )
        if test.e_value is not None and not test.e_value >= 0:
            raise EvidenceError(f"test {test.id}: an e-value is at least 0, got {test.e_value}")
