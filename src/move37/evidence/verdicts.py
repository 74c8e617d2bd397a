"""From race, confirmation and verification to a Verdict that carries what is needed to check it."""

from __future__ import annotations

from collections.abc import Iterable

from move37.core.claims import RungChoice, RungDecision, Verdict, VerdictKind
from move37.evidence.confirmation import Confirmation, ConfirmationChoice
from move37.evidence.effects import Comparison
from move37.evidence.inputs import EvidenceError


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
    confirmation: Confirmation, comparison: Comparison | None, *, baseline: str
) -> Verdict:
    """Return CONFIRMED (the gallery), or EXPLORED: refuted for now, on fresh seeds and text.

    Args:
        confirmation: the final answer of `confirmation.assess`.
        comparison: effects on the fresh seeds only; None if no pair completed.
        baseline: id of the baseline.

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
    return _verdict(
        VerdictKind.CONFIRMED if confirmed else VerdictKind.EXPLORED,
        confirmation.reason if confirmed else f"not confirmed for now: {confirmation.reason}",
        comparison,
        baseline=baseline,
        e_value=confirmation.e_value,
        level=confirmation.level,
    )


def after_verification(comparison: Comparison, *, baseline: str, minimum: float = 0.0) -> Verdict:
    """Return VERIFIED when the effect at the larger scale lies above `minimum`, else REFUTED.

    VERIFIED needs the whole interval above `minimum`. REFUTED therefore covers both "worse" and
    "not shown"; the reason says which.

    Args:
        comparison: effects of the verification stage.
        baseline: id of the baseline, re-run beside the candidate with the same recipe.
        minimum: smallest combined effect worth having, noise units.
    """
    effect = comparison.combined
    held = effect.low > minimum
    how = "above" if held else ("below" if effect.high < minimum else "not shown to exceed")
    reason = (
        f"effect {effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}] at the larger scale is "
        f"{how} {minimum:+.2f} ({effect.n_pairs} pairs)"
    )
    kind = VerdictKind.VERIFIED if held else VerdictKind.REFUTED
    return _verdict(kind, reason, comparison, baseline=baseline)


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
