"""The symbolic Analyst: a lesson from numbers, credits by quasi-ablation among relatives.

A quasi-ablation compares two candidates that were both measured and differ in few design elements;
the difference of their effects is shared among the elements they differ in. It is an association,
not a proof: a real ablation trains the layer without the element.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from move37.core.claims import Effect
from move37.core.trial import Outcome
from move37.team.protocols import Explanation, KnownCandidate, Study
from move37.team.symbolic.elements import elements
from move37.team.symbolic.reading import own_description

MAX_DIFFERENCE = 5  # elements; relatives that differ in more say little about any one
UNKNOWN_ERROR = 2.0  # assumed: noise units, for an effect whose interval is not finite
FAILURE_CREDIT = -1.0  # assumed: noise units a failed change costs, shared by its elements
Z_95 = 1.959964  # two-sided 95 % of the normal

WEAKNESSES = {
    "recall": "associative recall: many key-value pairs interfere in the memory",
    "fuzzy": "fuzzy recall: keys of several tokens are not matched",
    "noisy": "noisy recall: irrelevant tokens overwrite what was stored",
    "copying": "selective copying: content at varying positions is not kept in order",
    "compression": "compression: too little of the sequence fits into the state",
    "state_update": "state update: an overwritten key is answered with its old value",
    "state": "state tracking: updates of a state do not compose",
    "extrapolation": "length extrapolation: quality falls beyond the training length",
    "text": "language modelling: local patterns of text are predicted poorly",
}
"""Part of a task's name -> the weakness that a low effect shows, in the words that cards use."""


def weakness_words(task: str) -> str:
    """Return what a low effect on a task shows; the task's name where nothing is known of it."""
    words = (text for part, text in WEAKNESSES.items() if part in task)
    return next(words, task.replace("_", " "))


class SymbolicAnalyst:
    """Explains results by tables; implements `team.protocols.Analyst`."""

    def explain(self, study: Study) -> Explanation:
        """Return lesson, whether predictions held, and credits in units of noise."""
        subject = study.subject
        if subject.combined is None:
            return Explanation(
                text=_failure_text(study), prediction_held=None, credits=_failure_credits(study)
            )
        others = [k for k in (study.parent, *study.siblings, *study.relatives) if k is not None]
        earned = quasi_ablation(subject, others)
        held = prediction_held(subject)
        return Explanation(
            text=_text(study, subject.combined, earned, held=held),
            prediction_held=held,
            credits=earned,
        )


def quasi_ablation(subject: KnownCandidate, others: Sequence[KnownCandidate]) -> dict[str, float]:
    """Return each element's share in the differences to relatives, in units of noise.

    Per relative, the difference of combined effects is shared equally by the elements that only
    one of the two has (those only the relative has count against). Shares are averaged with the
    inverse of (squared error of the difference) x (number of elements) as weights.
    """
    own = element_set(subject)
    pairs = []
    for other in {k.candidate.id: k for k in others}.values():
        theirs = element_set(other)
        if own is not None and theirs is not None:
            pairs.append((other, own - theirs, theirs - own))
    return share_differences(subject, pairs)


def share_differences(
    subject: KnownCandidate, pairs: Iterable[tuple[KnownCandidate, set[str], set[str]]]
) -> dict[str, float]:
    """Return each element's share in the differences to relatives, in units of noise.

    Args:
        subject: the candidate that is explained.
        pairs: a relative, the elements only the subject has, the elements only the relative has.
    """
    sums: dict[str, float] = {}
    weights: dict[str, float] = {}
    for other, gained, lost in pairs:
        n = len(gained) + len(lost)
        if subject.combined is None or other.combined is None or not 1 <= n <= MAX_DIFFERENCE:
            continue
        difference = subject.combined.mean - other.combined.mean
        variance = standard_error(subject.combined) ** 2 + standard_error(other.combined) ** 2
        weight = 1 / (max(variance, 1e-4) * n)
        for name in gained | lost:
            share = difference / n if name in gained else -difference / n
            sums[name] = sums.get(name, 0.0) + weight * share
            weights[name] = weights.get(name, 0.0) + weight
    return {name: round(sums[name] / weights[name], 4) for name in sorted(sums)}


def prediction_held(subject: KnownCandidate) -> bool | None:
    """Whether more than half of the predicted signs came true; None if nothing can be compared."""
    hits = [
        (prediction.effect > 0) == (subject.effects[prediction.task].mean > 0)
        for prediction in subject.candidate.idea.predictions
        if prediction.task in subject.effects and prediction.effect != 0
    ]
    return sum(hits) * 2 > len(hits) if hits else None


def element_set(known: KnownCandidate) -> set[str] | None:
    """Return the design elements of a described candidate, None for free code."""
    description = own_description(known.candidate)
    return None if description is None else set(elements(description))


def standard_error(effect: Effect) -> float:
    """Return the standard error behind an interval, as if it were normal."""
    width = effect.high - effect.low
    return width / 2 / Z_95 if math.isfinite(width) else UNKNOWN_ERROR


def _failure_credits(study: Study) -> dict[str, float]:
    """Charge the new elements of a candidate that failed by itself."""
    own = element_set(study.subject)
    theirs = None if study.parent is None else element_set(study.parent)
    if own is None or theirs is None or study.subject.outcome in (None, Outcome.COMPLETED):
        return {}
    gained = sorted(own - theirs)
    return {name: round(FAILURE_CREDIT / len(gained), 4) for name in gained}


def _failure_text(study: Study) -> str:
    subject = study.subject
    outcome = subject.outcome.value if subject.outcome else "never measured"
    reason = f": {subject.reason}" if subject.reason else ""
    changed = ", ".join(element.name for element in subject.candidate.idea.elements)
    return (
        f"{subject.candidate.idea.name} gave no result ({outcome}{reason}). "
        f"Changed against its parent: {changed or 'nothing that has a name'}."
    )


def _text(study: Study, combined: Effect, earned: dict[str, float], *, held: bool | None) -> str:
    name, baseline = study.subject.candidate.idea.name, study.baseline or "the baseline"
    sentences = [
        f"{name}: effect {_interval(combined)} noise over {baseline}.",
        _against_parent(study, combined),
        _against_siblings(study, combined),
        _by_task(study.subject),
        _credit_words(earned),
        _weakness(study.subject),
        "" if held is None else f"The prediction {'held' if held else 'did not hold'}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _interval(effect: Effect) -> str:
    return f"{effect.mean:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]"


def _against_parent(study: Study, combined: Effect) -> str:
    parent = study.parent
    if parent is None:
        return ""
    if parent.combined is None:
        return f"Its parent {parent.candidate.idea.name} has no result."
    difference = combined.mean - parent.combined.mean
    error = math.hypot(standard_error(combined), standard_error(parent.combined))
    clear = "clearly" if abs(difference) > Z_95 * error else "within noise"
    direction = "better" if difference > 0 else "worse"
    return (
        f"Against its parent {parent.candidate.idea.name} {difference:+.2f} ({clear} {direction})."
    )


def _against_siblings(study: Study, combined: Effect) -> str:
    measured = [s.combined.mean for s in study.siblings if s.combined is not None]
    if not measured:
        return ""
    better = sum(combined.mean > mean for mean in measured)
    return f"Better than {better} of {len(measured)} siblings."


def _by_task(subject: KnownCandidate) -> str:
    if not subject.effects:
        return ""
    ranked = sorted(subject.effects.items(), key=lambda item: (-item[1].mean, item[0]))
    return "By task: " + ", ".join(f"{task} {_interval(e)}" for task, e in ranked) + "."


def _credit_words(earned: dict[str, float]) -> str:
    ranked = sorted(earned.items(), key=lambda item: (-abs(item[1]), item[0]))[:4]
    if not ranked:
        return ""
    listed = ", ".join(f"{name} {value:+.2f}" for name, value in ranked)
    return f"Compared with relatives: {listed}."


def _weakness(subject: KnownCandidate) -> str:
    if not subject.effects:
        return ""
    task = min(sorted(subject.effects), key=lambda name: subject.effects[name].mean)
    words = weakness_words(task)
    return f"Weakest on {words}."
