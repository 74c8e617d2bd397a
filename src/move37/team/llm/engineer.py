"""The Engineer as a language model: a repair by edit blocks or whole file, that keeps the idea."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from move37.core.candidate import Candidate, source_id
from move37.core.errors import ReplyError
from move37.core.trial import Outcome
from move37.team.llm import material
from move37.team.llm.edit_blocks import apply_edits, read_edits
from move37.team.llm.mechanism import compare
from move37.team.llm.prompting import Prompt, Section, compose
from move37.team.llm.replies import check_layer_code, read_layer_code
from move37.team.llm.seat import Seats
from move37.team.protocols import Breakage

MAX_TOKENS = 16_000  # assumed
HOPELESS = (Outcome.FORGED, Outcome.COMPLETED)
"""Forgery is not repaired: there is nothing to keep."""


class LlmEngineer:
    """Repairs through a seat; implements `team.protocols.Engineer`."""

    def __init__(self, seats: Seats, *, max_tokens: int = MAX_TOKENS) -> None:
        self._seats = seats
        self._max_tokens = max_tokens

    def repair(self, breakage: Breakage) -> Candidate | None:
        """Return the repaired candidate, or None for forgery.

        Raises:
            ReplyError: no usable repair within the seat's bounds; the last complaint says why.
        """
        if breakage.outcome in HOPELESS:
            return None
        seat = self._seats(breakage.index)
        tools = [breakage.bench.probe_draft] if breakage.bench else []
        prompt = render(breakage, max_tokens=self._max_tokens, has_tools=bool(tools))
        return seat.ask(prompt, reader(breakage, author=seat.label), tools=tools)


def render(breakage: Breakage, *, max_tokens: int, has_tools: bool) -> Prompt:
    """Return the prompt for a breakage."""
    idea = breakage.candidate.idea
    parent = breakage.parent.source if breakage.parent else ""
    words = f"{breakage.outcome}: {breakage.reason}\n{material.probe_words(breakage.probe)}"
    sections = [
        Section(title="setting", text=breakage.setting, weight=9),
        Section(title="how it failed", text=words, weight=9),
        Section(
            title="its idea",
            text=f"{idea.name}\n{idea.motivation}\n{idea.mechanism}",
            weight=5,
        ),
        Section(title="its code: the file to repair", text=breakage.candidate.source, weight=9),
        material.source_section("code of its parent", parent, weight=1),
        Section(title="kernel vocabulary", text=breakage.vocabulary, weight=4),
    ]
    return compose(
        "engineer",
        sections,
        max_tokens=max_tokens,
        outcome=breakage.outcome.value,
        tools=has_tools,
    )


def reader(breakage: Breakage, *, author: str) -> Callable[[str], Candidate]:
    """Return the function that makes a checked repair of a reply's text."""
    broken = breakage.candidate
    parent = breakage.parent.source if breakage.parent else ""

    def read(reply: str) -> Candidate:
        edits = read_edits(reply)
        if edits:
            source = check_layer_code(apply_edits(broken.source, edits))
        else:
            source = read_layer_code(reply)
        if source_id(source) in {broken.id, *breakage.known_ids}:
            raise ReplyError("this very code was tried before; the repair must change something")
        kept = compare(broken.source, source, parent=parent)
        if not kept.is_kept:
            raise ReplyError(
                f"the repair removes the idea: of what the layer has beyond its parent it keeps "
                f"{kept.share:.0%}, and loses {', '.join(kept.lost[:8])}"
            )
        idea = replace(
            broken.idea,
            motivation=(
                f"{broken.idea.motivation}\nRepaired after {breakage.outcome.value}: "
                f"{' '.join(breakage.reason.split())[:300]}"
            ),
        )
        return Candidate.of(source, idea, parents=(broken.id,), author=author)

    return read
