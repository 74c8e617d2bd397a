"""The second opinion on novelty, asked only where two motivations are close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from move37.core.candidate import Candidate
from move37.core.errors import ReplyError
from move37.team.llm.material import outline
from move37.team.llm.prompting import Prompt, Section, compose
from move37.team.llm.replies import ReplyFields, read_fields
from move37.team.llm.seat import Seats
from move37.team.protocols import Comparison, Opinion

MAX_TOKENS = 10_000  # assumed


class _Opinion(ReplyFields):
    same_as: Annotated[str, Field(max_length=80)] = ""
    reason: Annotated[str, Field(min_length=5, max_length=1_000)]


class LlmCritic:
    """Compares through a seat; implements `team.protocols.Critic`."""

    def __init__(self, seats: Seats, *, max_tokens: int = MAX_TOKENS) -> None:
        self._seats = seats
        self._max_tokens = max_tokens

    def compare(self, comparison: Comparison) -> Opinion:
        """Return the model's opinion.

        Raises:
            ReplyError: no usable reply within the seat's bounds.
        """
        prompt = render(comparison, max_tokens=self._max_tokens)
        return self._seats(comparison.index).ask(prompt, reader(comparison))


def render(comparison: Comparison, *, max_tokens: int) -> Prompt:
    """Return the prompt for a comparison."""
    sections = [
        _section("the proposal", comparison.candidate, weight=8),
        *(
            _section(f"known layer {known.id}", known, weight=4 - place)
            for place, known in enumerate(comparison.nearest)
        ),
    ]
    return compose("critic", sections, max_tokens=max_tokens)


def reader(comparison: Comparison) -> Callable[[str], Opinion]:
    """Return the function that makes an opinion of a reply's text."""

    def read(reply: str) -> Opinion:
        fields = read_fields(reply, _Opinion)
        same_as = fields.same_as.strip()
        known = {candidate.id for candidate in comparison.nearest}
        if same_as and same_as not in known:
            raise ReplyError(f"same_as must be empty or one of {', '.join(sorted(known))}")
        return Opinion(same_as=same_as, reason=" ".join(fields.reason.split()))

    return read


def _section(title: str, candidate: Candidate, *, weight: int) -> Section:
    idea = candidate.idea
    words = f"{idea.motivation}\n{idea.mechanism}\n"
    return Section(
        title=title,
        text=f"{words}\n{candidate.source}",
        short=f"{words}\n{outline(candidate.source)}",
        weight=weight,
    )
