"""Two candidates' effects side by side: like with like, never a fresh seed beside the search."""

from __future__ import annotations

from dataclasses import dataclass

from move37.core.claims import Effect, Verdict
from move37.insights.wording import effect_words
from move37.memory.state import Entry

MEAN = "mean of the tasks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One task's effects over the baseline; None where it was not measured."""

    task: str
    first: Effect | None
    second: Effect | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """What can be compared, the mean of the tasks first; noise units."""

    search: tuple[Pair, ...]
    """Empty where neither was measured in the search."""
    fresh: tuple[Pair, ...]
    """Empty unless both were tested on fresh seeds."""
    remarks: tuple[str, ...]
    """What keeps the numbers from being alike."""


def side_by_side(first: Entry, second: Entry) -> SideBySide:
    """Return the effects of two candidates."""
    tests = first.fresh_verdict, second.fresh_verdict
    remarks = [
        f"{entry.id} was stopped before the whole training: its effect is of less of it"
        for entry in (first, second)
        if entry.search_verdict and entry.search_verdict.effect and entry.fitness is None
    ]
    remarks += [
        f"only {entry.id} was tested on fresh seeds: {effect_words(test.effect)}; see move37 show "
        f"{entry.id}"
        for entry, test, other in (
            (first, tests[0], tests[1]),
            (second, tests[1], tests[0]),
        )
        if test and test.effect and not (other and other.effect)
    ]
    return SideBySide(
        search=_pairs(first.search_verdict, second.search_verdict),
        fresh=_pairs(*tests) if all(test and test.effect for test in tests) else (),
        remarks=tuple(remarks),
    )


def _pairs(first: Verdict | None, second: Verdict | None) -> tuple[Pair, ...]:
    sides = [_effects(verdict) for verdict in (first, second)]
    tasks = dict.fromkeys([*sides[0], *sides[1]])
    return tuple(
        Pair(task=task, first=sides[0].get(task), second=sides[1].get(task)) for task in tasks
    )


def _effects(verdict: Verdict | None) -> dict[str, Effect]:
    if verdict is None or verdict.effect is None:
        return {}
    return {MEAN: verdict.effect, **(verdict.task_effects or {})}
