"""The seam to the model layer: what a role needs of whoever answers, and how a desk gives it.

A role gives a prompt and a reader; the seat asks, reads, asks again with the reader's complaint
within its bounds, and the desk counts and records all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from move37.team.llm.prompting import Prompt

T = TypeVar("T")
Tool = Callable[..., str]
"""A plain function: a model is shown its name, annotations and docstring."""


class Seat(Protocol):
    """One model in one role's place, for one candidate."""

    @property
    def label(self) -> str:
        """Which model sits here, `provider:model`; what it makes is signed with it."""
        ...

    def ask(self, prompt: Prompt, read: Callable[[str], T], *, tools: Sequence[Tool] = ()) -> T:
        """Return what `read` makes of a reply.

        Args:
            prompt: what to send.
            read: from reply text to a record; raises ReplyError on what cannot be used, and is then
                tried on another reply, within the seat's bounds.
            tools: what the model may call before it answers.

        Raises:
            ReplyError: no usable reply within the bounds; says the last complaint.
        """
        ...


Seats = Callable[[int], Seat]
"""From a candidate's index to the seat of whose turn it is."""
