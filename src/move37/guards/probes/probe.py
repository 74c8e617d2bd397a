"""A probe: a question with one right answer, and the strict reading of replies to it.

Whether a reply is right is a fact: it is compared with the answer, or, for a repaired layer, it is
run. What the reply says beside its last line is never looked at.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from enum import StrEnum

from move37.core.errors import ReplyError

DIALS = range(5)
"""How hard a probe is made: 0 is plain, 4 has the most to be distracted by."""
MARK = "ANSWER:"
LONGEST_REPLY = 400_000
"""Characters; a reply of 16,000 tokens has about 64,000."""
LONGEST_ANSWER = 300
INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?")
PATCH = re.compile(r"([0-9]{1,4}):[ \t]?(.*)")


class Form(StrEnum):
    """How an answer is written."""

    INTEGER = "an integer"
    NUMBER = "a number"
    CHOICE = "one of the choices"
    PATCH = "a line of code"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One question."""

    id: str
    kind: str
    dial: int
    variant: str = ""
    """Which of the kind's stories, faults or settings."""
    prompt: str
    form: Form
    answer: str
    """The right one; of a patch, `number: line`."""
    lure: str = ""
    """What somebody says who was distracted; empty: nothing in particular."""
    choices: tuple[str, ...] = ()
    tolerance: float = 0.0
    """Of a number."""
    chance: float = 0.0
    """How often the best answer that does not look at the question is right."""
    source: str = ""
    """Of the layer to repair."""


def rng_of(kind: str, *, seed: int, number: int, dial: int) -> random.Random:
    """Return the source of chance for one probe."""
    return random.Random(f"{kind}/{seed}/{number}/{dial}")  # noqa: S311 - a seeded draw, no secret


def ask(text: str, form: str) -> str:
    """Return a prompt: the text, and how to end the reply."""
    return (
        f"{text}\n\nEnd your reply with one line of this form, and nothing after it:\n{MARK} {form}"
    )


def read_answer(probe: Probe, reply: str) -> str:
    """Return what a reply answers, in the form of `Probe.answer`.

    Raises:
        ReplyError: it does not end with one answer of the form that was asked for.
    """
    if len(reply) > LONGEST_REPLY:
        raise ReplyError(f"the reply has more than {LONGEST_REPLY} characters")
    lines = [line.strip() for line in reply.split("\n") if line.strip()]
    said = [line for line in lines if line.startswith(MARK)]
    if not lines or not lines[-1].startswith(MARK):
        raise ReplyError(f"the last line does not begin with {MARK!r}")
    if len(set(said)) > 1:
        raise ReplyError("there are several answers, and they differ")
    answer = lines[-1].removeprefix(MARK).strip()
    if len(answer) > LONGEST_ANSWER:
        raise ReplyError(f"the answer has more than {LONGEST_ANSWER} characters")
    return _canonical(probe, answer)


def _canonical(probe: Probe, answer: str) -> str:
    match probe.form:
        case Form.INTEGER if INTEGER.fullmatch(answer):
            return str(int(answer))
        case Form.NUMBER if NUMBER.fullmatch(answer):
            return str(float(answer))
        case Form.CHOICE if answer in probe.choices:
            return answer
        case Form.PATCH if (found := PATCH.fullmatch(answer)) and found[2].strip():
            return f"{int(found[1])}: {found[2].strip()}"
    raise ReplyError(f"the answer is not {probe.form}")


def is_right(probe: Probe, said: str) -> bool | None:
    """Return whether an answer is right; None: it is a repair, and only running it can tell."""
    match probe.form:
        case Form.NUMBER:
            return math.isclose(
                float(said), float(probe.answer), rel_tol=0.0, abs_tol=probe.tolerance
            )
        case Form.PATCH if said != probe.answer:
            return None
    return said == probe.answer


def is_lured(probe: Probe, said: str) -> bool:
    """Return whether an answer is the one that the distraction leads to."""
    if not probe.lure:
        return False
    if probe.form is Form.NUMBER:
        return abs(float(said) - float(probe.lure)) <= probe.tolerance
    if probe.form is Form.PATCH:
        return said.partition(":")[0] == probe.lure
    return said == probe.lure


def patched(source: str, said: str) -> str:
    """Return a layer with one line replaced; the line keeps its indentation.

    Raises:
        ReplyError: there is no line of this number.
    """
    number, _, code = said.partition(": ")
    lines = source.split("\n")
    place = int(number) - 1
    if not 0 <= place < len(lines):
        raise ReplyError(f"there is no line {number}: the layer has {len(lines)}")
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place] = indent + code
    return "\n".join(lines)
