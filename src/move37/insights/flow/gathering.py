"""Boxes as they are found in code: each thing once, constants left out, not too many."""

from __future__ import annotations

from move37.insights.flow import words
from move37.insights.flow.parts import MAX_BOXES, Draft, Part

STATE = -1
"""Stands for what the layer was handed from the position before."""
MAX_STEPS = 40_000  # assumed: hundreds of times the longest honest layer

Value = frozenset[int]
"""Places of the boxes that a value comes from, STATE among them if the past is in it."""
NONE: Value = frozenset()


class TooLong(Exception):
    """The code says more than a diagram can show."""


class Gathering:
    """The draft of a flow that is being read."""

    def __init__(self) -> None:
        self.draft = Draft()
        self.is_cut = False
        """Whether some boxes had no room."""
        self._known: dict[tuple[str, Part, str, Value], int] = {}
        self._n_steps = 0

    def join(self, sign: str, sides: list[Value]) -> Value:
        """Join values; one that is a constant, or the same as the other, needs no box."""
        joined = frozenset().union(*sides)
        real = [side - {STATE} for side in sides if side - {STATE}]
        if len(real) < 2 or len(set(real)) == 1 or sign == "power":
            return joined
        return self.box(sign, Part.JOIN, joined)

    def box(self, label: str, kind: Part, sources: Value, *, detail: str = "") -> Value:
        """Add a box, or find the same one again: two branches often call one thing."""
        real = sources - {STATE}
        key = (label, kind, detail, sources)
        if key in self._known:
            return frozenset({self._known[key]})
        if len(self.draft.boxes) >= MAX_BOXES:
            self.is_cut = True
            return sources
        keeps = STATE in sources or label in words.RUNNING or (
            kind is Part.MEMORY and not words.ATTENTION.search(label)
        )  # fmt: skip
        place = self.draft.add(label, kind, sorted(real), detail=detail, keeps_state=keeps)
        self._known[key] = place
        return frozenset({place})

    def count(self) -> None:
        """Count one step of reading.

        Raises:
            TooLong: there were more than any honest layer needs.
        """
        self._n_steps += 1
        if self._n_steps > MAX_STEPS:
            raise TooLong
