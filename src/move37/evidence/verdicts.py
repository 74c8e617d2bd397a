"""From race, confirmation and verification to a Verdict that carries what is needed to check it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from move37.core.claims import Effect, RungChoice, RungDecision, Verdict, VerdictKind
from move37.evidence.confirmation import Confirmation, ConfirmationChoice
from move37.evidence.effects import Comparison
from move37.evidence.inputs import EvidenceError

UNTRAINED = " (untrained)"
"""Behind the name of a task that nobody was trained on, wherever its effect is shown."""


def rejected(reason: str, *, baseline: str = "") -> Verdict:
    """Return the verdict of a candidate that produced no number; the reason names the probe."""
    return Verdict(kind=VerdictKind.REJECTED, reason=reason, baseline=baseline)


def after_race(decision: RungDecision, comparison: Comparison | None, *, baseline: str) -> Verdict:
    """Return PROMOTED or EXPLORED with the search effect, which is optimistic by selection.

    Args:
        decision: racing's last decision.
        comparison: effects at the rung that was reached; None if no pair completed.
        baseline: id of the baseline.

    Raises:
        EvidenceError: the race is still going on, or a promotion without a comparison.
    """
    if decision.choice is RungChoice.GO_ON:
        raise EvidenceError("no verdict while the race goes on; decide after the next rung")
    promoted = decision.choice is RungChoice.PROMOTE
    if promoted and comparison is None:
        raise EvidenceError("a candidate cannot be promoted without a paired effect")
    return _verdict(
        VerdictKind.PROMOTED if promoted else VerdictKind.EXPLORED,
        decision.reason,
        comparison,
        baseline=baseline,
    )


def after_confirmation(
    confirmation: Confirmation,
    comparison: Comparison | None,
    *,
    baseline: str,
    held_back: Comparison | None = None,
) -> Verdict:
    """Return CONFIRMED (the gallery), or EXPLORED: not confirmed on fresh seeds and text.

    Args:
        confirmation: the final answer of `confirmation.assess`.
        comparison: effects on the fresh seeds only; None if no pair completed.
        baseline: id of the baseline.
        held_back: effects on tasks that nobody was trained on; shown as such, no part of the
            decision.

    Raises:
        EvidenceError: the confirmation still needs a seed, has no comparison to show, or counts
        other
            pairs than the comparison.
    """
    if confirmation.choice is ConfirmationChoice.NEED_SEED:
        raise EvidenceError("no verdict while the confirmation needs another seed")
    confirmed = confirmation.choice is ConfirmationChoice.CONFIRMED
    n_pairs = comparison.combined.n_pairs if comparison else 0
    if confirmation.n_pairs != n_pairs:
        raise EvidenceError(
            f"the confirmation rests on {confirmation.n_pairs} pairs, the comparison on {n_pairs}; "
            "they must be the same fresh seeds"
        )
    verdict = _verdict(
        VerdictKind.CONFIRMED if confirmed else VerdictKind.EXPLORED,
        confirmation.reason if confirmed else f"not confirmed: {confirmation.reason}",
        comparison,
        baseline=baseline,
        e_value=confirmation.e_value,
        level=confirmation.level,
    )
    shown = {f"{task}{UNTRAINED}": e for task, e in held_back.tasks.items()} if held_back else {}
    return _with_tasks(verdict, shown)


def after_verification(
    comparison: Comparison | None,
    *,
    baseline: str,
    exam: Comparison | None = None,
    n_failed: int | None = 0,
) -> Verdict:
    """Return VERIFIED when the effects at the larger scale lie above zero, else REFUTED.

    VERIFIED needs the whole interval above zero: on the mean of the search's tasks and, if
    there are any, on the mean of the exam's. Both must hold, so each keeps its own level (an
    intersection-union test: R. L. Berger, Technometrics 24(4), 1982). REFUTED therefore covers
    "worse" and "not shown"; the reason says which.

    Args:
        comparison: effects on the search's tasks; None if no pair completed.
        baseline: id of the baseline, re-run beside the candidate with the same recipe.
        exam: effects on tasks that the search never saw; None where there are none.
        n_failed: seeds on which the candidate did not complete: leaving them out would select; None
            where no tuning run of it completed, so that no whole training was begun.
    """
    if n_failed is None:
        reason = "at no learning rate did a tuning run complete at the larger scale"
        return _verdict(VerdictKind.REFUTED, reason, comparison, baseline=baseline)
    if comparison is None or n_failed:
        n_pairs = comparison.combined.n_pairs if comparison else 0
        reason = f"{n_failed} seeds did not complete at the larger scale ({n_pairs} pairs)"
        return _verdict(VerdictKind.REFUTED, reason, comparison, baseline=baseline)
    parts = {"the search's tasks": comparison} | ({"exam tasks": exam} if exam else {})
    words = [_against(found.combined, name) for name, found in parts.items()]
    held = all(found.combined.low > 0 for found in parts.values())
    reason = f"at the larger scale {'; '.join(words)} ({comparison.combined.n_pairs} pairs)"
    kind = VerdictKind.VERIFIED if held else VerdictKind.REFUTED
    verdict = _verdict(kind, reason, comparison, baseline=baseline)
    return _with_tasks(verdict, exam.tasks if exam else {})


def _with_tasks(verdict: Verdict, more: Mapping[str, Effect]) -> Verdict:
    if verdict.task_effects is None:
        return verdict
    return replace(verdict, task_effects=verdict.task_effects | dict(more))


def _against(effect: Effect, name: str) -> str:
    how = "not shown to exceed"
    if effect.low > 0:
        how = "above"
    elif effect.high < 0:
        how = "below"
    return (
        f"the effect on {name} is {effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}], "
        f"{how} 0"
    )


def _verdict(
    kind: VerdictKind,
    reason: str,
    comparison: Comparison | None,
    *,
    baseline: str,
    e_value: float | None = None,
    level: float | None = None,
) -> Verdict:
    seeds: Iterable[int] = comparison.differences if comparison else ()
    return Verdict(
        kind=kind,
        reason=reason,
        effect=comparison.combined if comparison else None,
        task_effects=dict(comparison.tasks) if comparison else None,
        e_value=e_value,
        level=level,
        baseline=baseline,
        seeds=tuple(seeds),
    )
