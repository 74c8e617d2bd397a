"""The Analyst as a language model: tables by us, words by it, and no number that no table holds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import Field

from move37.core.errors import ReplyError
from move37.team.llm import material
from move37.team.llm.prompting import Prompt, Section, compose
from move37.team.llm.replies import ReplyFields, read_fields
from move37.team.llm.researcher import slug
from move37.team.llm.seat import Seats
from move37.team.protocols import Explanation, KnownCandidate, Study
from move37.team.scoring import score_predictions
from move37.team.symbolic.analyst import (
    WEAKNESSES,
    Z_95,
    SymbolicAnalyst,
    element_set,
    prediction_held,
    share_differences,
    standard_error,
)

MAX_TOKENS = 12_000  # assumed
WITHOUT = "without-"
"""Begins the name of an element that stands for the absence of another one."""
DECIMAL = re.compile(r"(?<![\w.])[+\u2212-]?\d+\.\d+(?![\w.]*\w)")


class LessonFields(ReplyFields):
    """What an Analyst writes."""

    lesson: Annotated[str, Field(min_length=40, max_length=4_000)]
    weaknesses: Annotated[
        tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=8)
    ] = ()
    surprise: Annotated[str, Field(max_length=1_000)] = ""
    ablate: Annotated[str, Field(max_length=80)] = ""


class LlmAnalyst:
    """Explains through a seat; implements `team.protocols.Analyst`."""

    def __init__(self, seats: Seats, *, max_tokens: int = MAX_TOKENS) -> None:
        self._seats = seats
        self._max_tokens = max_tokens

    def explain(self, study: Study) -> Explanation:
        """Return the lesson, with our numbers first.

        A reply that cannot be used leaves the symbolic Analyst's text, signed so and saying why: a
        candidate is never without a lesson.
        """
        seat = self._seats(study.index)
        prompt = render(study, max_tokens=self._max_tokens)
        read = reader(study, numbers_of(prompt.text), author=seat.label)
        try:
            return seat.ask(prompt, read)
        except ReplyError as error:
            return by_tables(study, f"{seat.label} gave no usable lesson: {error}")


def by_tables(study: Study, note: str) -> Explanation:
    """Return the lesson that needs no model, with a note."""
    plain = SymbolicAnalyst().explain(study)
    return Explanation(
        text=f"{plain.text} ({' '.join(note.split())[:200]})",
        prediction_held=plain.prediction_held,
        credits=plain.credits or credits_of(study),
        author="symbolic",
    )


def render(study: Study, *, max_tokens: int) -> Prompt:
    """Return the prompt for a study."""
    subject = study.subject
    others = [k for k in (study.parent, *study.siblings) if k is not None]
    sections = [
        material.idea_section("the layer: idea", subject, weight=7),
        Section(
            title="effects: the layer, its parent, its siblings",
            text=material.effects_table([subject, *others]),
            weight=9,
        ),
        Section(title="differences", text=differences(study), weight=9),
        Section(title="quasi-ablation", text=credit_table(study), weight=8),
        Section(title="predictions", text=prediction_table(subject), weight=8),
        Section(
            title="earlier predictions",
            text=material.calibration_words(study.calibration),
            weight=4,
        ),
        material.result_section("the layer: measurements", subject, weight=6),
        material.source_section("the layer: code", subject.candidate.source, weight=3),
        *(
            material.idea_section(f"relative {k.candidate.id}: idea", k, weight=1)
            for k in others[:4]
        ),
    ]
    return compose(
        "analyst", sections, max_tokens=max_tokens, weaknesses=sorted(WEAKNESSES.values())
    )


def differences(study: Study) -> str:
    """Say how the layer's combined effect differs from each relative's, with the interval."""
    own = study.subject.combined
    if own is None:
        return "the layer has no result\n"
    rows = [f"against {study.baseline or 'the baseline'}: {material.effect_words(own)}"]
    named = [("parent", study.parent), *(("sibling", s) for s in study.siblings)]
    for role, known in named:
        if known is not None and known.combined is not None:
            mean = own.mean - known.combined.mean
            half = Z_95 * math.hypot(standard_error(own), standard_error(known.combined))
            verdict = "interval excludes zero" if abs(mean) > half else "within noise"
            rows.append(
                f"against {role} {known.candidate.id}: {mean:+.2f} "
                f"[{mean - half:+.2f}, {mean + half:+.2f}] ({verdict})"
            )
    return "\n".join(rows) + "\n"


def credits_of(study: Study) -> dict[str, float]:
    """Return each changed element's share in the differences to relatives (quasi-ablation).

    Described layers are compared by their descriptions, free code by the elements it declares: what
    a child declares is what it has beyond its parent.
    """
    return share_differences(study.subject, _pairs(study))


def credit_table(study: Study) -> str:
    """Return the quasi-ablation as text."""
    credit = credits_of(study)
    if not credit:
        return "no relative with a result differs in few enough elements\n"
    rows = [f"{name}: {value:+.2f}" for name, value in credit.items()]
    note = "differences to relatives in noise units, shared by the elements in which they differ:"
    return "\n".join([note, *rows, "an association, not a trial of the element alone"]) + "\n"


def prediction_table(subject: KnownCandidate) -> str:
    """Return what was predicted beside what was measured."""
    rows = [
        f"{p.task}: predicted {p.effect:+.2f} (confidence {p.confidence:.2f}), measured "
        f"{material.effect_words(subject.effects.get(p.task))}"
        for p in subject.candidate.idea.predictions
    ]
    return "\n".join([*rows, material.calibration_words(score_predictions([subject]))])


def numbers_of(text: str) -> frozenset[float]:
    """Return all decimal numbers of a text, without their signs."""
    return frozenset(abs(float(n.replace("\u2212", "-"))) for n in DECIMAL.findall(text))


def reader(study: Study, known: frozenset[float], *, author: str) -> Callable[[str], Explanation]:
    """Return the function that makes a checked explanation of a reply's text.

    Args:
        study: what is explained.
        known: numbers that may be quoted, rounded or not.
        author: who is asked.
    """

    def read(reply: str) -> Explanation:
        return explanation_of(read_fields(reply, LessonFields), study, known, author=author)

    return read


def explanation_of(
    fields: LessonFields, study: Study, known: frozenset[float], *, author: str
) -> Explanation:
    """Return a checked explanation.

    Raises:
        ReplyError: a number that is not among the known ones.
    """
    for text in (fields.lesson, fields.surprise, *fields.weaknesses):
        _check_numbers(text, known)
    declared = {e.name for e in study.subject.candidate.idea.elements}
    ablate = slug(fields.ablate)
    return Explanation(
        text=lesson_text(study, fields),
        prediction_held=prediction_held(study.subject),
        credits=credits_of(study),
        ablate=ablate if ablate in declared and study.subject.combined else "",
        author=author,
    )


def lesson_text(study: Study, fields: LessonFields) -> str:
    """Return the lesson as it is kept: our numbers, then the words, then weaknesses and score."""
    subject = study.subject
    if subject.combined is None:
        head = f"{subject.candidate.idea.name} gave no result ({subject.outcome or 'unmeasured'})."
    else:
        head = f"{subject.candidate.idea.name}: " + "; ".join(differences(study).splitlines()) + "."
    parts = [head, " ".join(fields.lesson.split()), " ".join(fields.surprise.split())]
    if fields.weaknesses:
        parts.append("Weak at: " + "; ".join(" ".join(w.split()) for w in fields.weaknesses) + ".")
    if words := material.calibration_words(score_predictions([subject])):
        parts.append(f"Predictions: {words.strip()}.")
    return " ".join(part for part in parts if part)


def _check_numbers(text: str, known: frozenset[float]) -> None:
    for word in DECIMAL.findall(text):
        digits = len(word.rpartition(".")[2])
        value = abs(float(word.replace("\u2212", "-")))
        if not any(abs(round(k, digits) - value) < 0.6 * 10**-digits for k in known):
            raise ReplyError(f"the number {word} stands in no table; quote measured numbers only")


def _pairs(study: Study) -> Iterator[tuple[KnownCandidate, set[str], set[str]]]:
    subject, parent = study.subject, study.parent
    own, others = element_set(subject), [k for k in (parent, *study.siblings) if k is not None]
    for other in {k.candidate.id: k for k in (*others, *study.relatives)}.values():
        theirs = element_set(other)
        if own is not None and theirs is not None:
            yield other, own - theirs, theirs - own
        elif parent is not None and other.candidate.id == parent.candidate.id:
            yield other, *_declared(subject)
        elif _first_parent(other) == _first_parent(subject) != "":
            (mine, my_loss), (its, its_loss) = _declared(subject), _declared(other)
            has, has_not = mine | its_loss, its | my_loss
            yield other, has - has_not, has_not - has


def _declared(known: KnownCandidate) -> tuple[set[str], set[str]]:
    """Return what a child says it has beyond its parent, and what it took out."""
    names = {e.name for e in known.candidate.idea.elements}
    taken_out = {name for name in names if name.startswith(WITHOUT)}
    return names - taken_out, {name.removeprefix(WITHOUT) for name in taken_out}


def _first_parent(known: KnownCandidate) -> str:
    return next(iter(known.candidate.parents), "")
