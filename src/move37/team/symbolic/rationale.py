"""Why a proposal might be good: motivation, origins of its elements, predicted effects.

Honest by construction: a card is named only if it was in the brief and suggests the edit, a lesson
only if its credit speaks for the change; everything else is original.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from move37.core.candidate import Element, Origin, Prediction
from move37.team.protocols import CardHint, KnownCandidate
from move37.team.symbolic.credits import Credits
from move37.team.symbolic.description import Description
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.elements import elements
from move37.team.symbolic.variation import Variation

LESSON_CREDIT = 0.1  # noise units; below it a lesson is not the reason for a change
PARENT_SHRINKAGE = 0.6  # assumed: a selected parent's measured effect is partly luck
PRIOR_GAIN = 0.15  # assumed: noise units an edit gains per log(1 + its prior weight)
PREDICTION_SPREAD = 1.5  # assumed: deviation of measured around predicted effects, noise units


@dataclass(frozen=True, kw_only=True, slots=True)
class Rationale:
    """A variation and where it came from."""

    start: Description
    variation: Variation
    parent: KnownCandidate
    donor: KnownCandidate | None
    note: str
    """Said in the motivation when the start is only near the parent."""
    cards: tuple[CardHint, ...]
    learnt: Credits

    def changes(self) -> list[tuple[str, Description, Description]]:
        """Return each move with the description before and after it."""
        before = (self.start, *self.variation.steps[:-1])
        return list(zip(self.variation.moves, before, self.variation.steps, strict=True))


def explain_elements(why: Rationale) -> tuple[Element, ...]:
    """Return the elements that are new against the parent, each with its origin.

    What a simplification takes away is an element too: `without-...`.
    """
    final = set(elements(why.variation.description))
    first = set(elements(why.start))
    found: dict[str, Element] = {}
    for move, before, after in why.changes():
        old, new = set(elements(before)), set(elements(after))
        names = [name for name in sorted(new - old) if name in final - first]
        if move.startswith("simplify:"):
            names += [f"without-{name}" for name in sorted(old - new) if name not in final]
        origin, source = _origin(why, move, before, after)
        for name in names:
            found[name] = Element(name=name, origin=origin, source=source)
    return tuple(found[name] for name in sorted(found))


def _origin(
    why: Rationale, move: str, before: Description, after: Description
) -> tuple[Origin, str]:
    if move.startswith("take:") and why.donor is not None:
        return Origin.LESSON, why.donor.candidate.id
    card = suggesting_card(move, why.cards)
    if card is not None:
        return Origin.CARD, card.id
    if why.learnt.of_change(before, after, move) >= LESSON_CREDIT:
        source = why.learnt.source_of_change(before, after, move)
        if source:
            return Origin.LESSON, source
    return Origin.ORIGINAL, ""


def suggesting_card(move: str, cards: tuple[CardHint, ...]) -> CardHint | None:
    """Return the most relevant card that suggests an edit."""
    suggesting = [card for card in cards if move in card.edits]
    return max(suggesting, key=lambda card: card.relevance, default=None)


def motivation(why: Rationale) -> str:
    """Return what is tried and why, in a few sentences."""
    parent = why.parent
    sentences = [f"Starts from {parent.candidate.idea.name}{_standing(parent)}."]
    if why.note:
        sentences.append(why.note)
    if why.donor is not None:
        traits = ", ".join(m.removeprefix("take:") for m in why.variation.moves)
        donor = why.donor
        sentences.append(
            f"Takes {traits} from {donor.candidate.idea.name}{_standing(donor)}, "
            "to see whether its strength carries over."
        )
    else:
        sentences += [_reason(why, change) for change in why.changes()]
    weakest = _weakest_task(parent)
    if weakest:
        sentences.append(f"The parent is weakest on {weakest}.")
    return " ".join(sentences)


def _standing(known: KnownCandidate) -> str:
    if known.combined is None:
        return ""
    return f" (effect {known.combined.mean:+.2f} noise)"


def _reason(why: Rationale, change: tuple[str, Description, Description]) -> str:
    move, before, after = change
    said = EDITS[move].summary if move in EDITS else f"varies {move.partition(':')[2]}"
    card = suggesting_card(move, why.cards)
    credit = why.learnt.of_change(before, after, move)
    if card is not None:
        because = f", as card {card.id} suggests"
    elif abs(credit) >= LESSON_CREDIT:
        because = f", which earlier trials credit with {credit:+.2f} noise"
    else:
        because = ""
    return f"The new layer {said}{because} ({move})."


def _weakest_task(known: KnownCandidate) -> str:
    if not known.effects:
        return ""
    return min(sorted(known.effects), key=lambda task: known.effects[task].mean)


def predictions(why: Rationale, task_names: tuple[str, ...]) -> tuple[Prediction, ...]:
    """Return the expected effect on each task: the parent's, shrunk, plus what the change adds."""
    gain = sum(_expected_gain(change, why.learnt) for change in why.changes())
    found = []
    for task in task_names:
        effect = why.parent.effects.get(task)
        base = PARENT_SHRINKAGE * effect.mean if effect is not None else 0.0
        expected = round(base + gain, 3)
        found.append(Prediction(task=task, effect=expected, confidence=_confidence(expected)))
    return tuple(found)


def _expected_gain(change: tuple[str, Description, Description], learnt: Credits) -> float:
    move, before, after = change
    credit = learnt.of_change(before, after, move)
    if credit:
        return credit
    return PRIOR_GAIN * math.log1p(EDITS[move].weight) if move in EDITS else 0.0


def _confidence(expected: float) -> float:
    """Return the probability that the measured effect has the predicted sign."""
    return round(0.5 * (1 + math.erf(abs(expected) / PREDICTION_SPREAD / math.sqrt(2))), 3)
