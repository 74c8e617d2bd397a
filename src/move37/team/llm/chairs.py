"""Seats at a desk: how the model layer gives a role what `team.llm.seat` asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from move37.core.errors import ReplyError
from move37.core.team import Role
from move37.team.llm.prompting import Prompt
from move37.team.llm.seat import Tool
from move37.team.models.calls import Question
from move37.team.models.desk import Desk
from move37.team.models.desk import Seat as DeskSeat

T = TypeVar("T")


class Chair:
    """One model in one role's place, for one candidate; implements `team.llm.seat.Seat`."""

    def __init__(self, seat: DeskSeat) -> None:
        self._seat = seat

    @property
    def label(self) -> str:
        """Which model sits here: `provider:model`."""
        return self._seat.model.label

    def ask(self, prompt: Prompt, read: Callable[[str], T], *, tools: Sequence[Tool] = ()) -> T:
        """Return what `read` makes of a reply; see `team.llm.seat.Seat.ask`."""
        made: list[T] = []
        complaints: list[str] = []

        def check(text: str) -> str:
            try:
                made[:] = [read(text)]
            except ReplyError as error:
                complaints.append(str(error))
                raise
            return text

        question = Question(
            instructions=prompt.instructions,
            prompt=prompt.text,
            output=str,
            tools=tuple(tools),
            check=check,
            purpose=prompt.name,
        )
        try:
            self._seat.ask(question)
        except ReplyError as error:
            if not complaints:
                raise
            raise ReplyError(f"{error}; last: {complaints[-1]}") from error
        return made[0]


def one_of(desk: Desk, role: Role) -> Callable[[int], Chair]:
    """Return, for a candidate's index, the seat of the model whose turn it is."""
    return lambda index: Chair(desk.seat(role, index=index))


def all_of(desk: Desk, role: Role) -> Callable[[int], Sequence[Chair]]:
    """Return, for a candidate's index, the seats of every model that may play the role then."""
    return lambda index: [
        Chair(desk.seat(role, index=index, model=choice.name))
        for choice in desk.choices(role)
        if not desk.is_barred(choice.model.label, index)
    ]
