"""What a data-flow diagram is made of: boxes, and arrows from earlier boxes to later ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
MAX_BOXES = 60  # assumed: more cannot be read on one page


class Part(StrEnum):
    """What a box does. Drawn by shape and by word, never by colour alone."""

    END = "input or output"
    LINEAR = "linear map"
    CONVOLUTION = "convolution"
    POINTWISE = "function"
    GATE = "gate"
    NORM = "norm"
    MEMORY = "memory"
    JOIN = "joins"
    OTHER = "part"


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """One operation."""

    label: str
    kind: Part
    detail: str = ""
    keeps_state: bool = False
    """It remembers something from one position to the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrow:
    """Numbers that flow from one box to another, which comes later in the list of boxes."""

    source: int
    target: int
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A diagram without places: every arrow goes from an earlier box to a later one."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    note: str = ""
    """What the diagram leaves out, for the reader."""


@dataclass(kw_only=True, slots=True)
class Draft:
    """A flow in the making."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    def add(
        self,
        label: str,
        kind: Part,
        sources: Iterable[int | tuple[int, str]] = (),
        *,
        detail: str = "",
        keeps_state: bool = False,
    ) -> int:
        """Add a box behind others; return its place.

        Args:
            label: what stands in the box.
            kind: what it does.
            sources: places of earlier boxes, or a place and the arrow's name.
            detail: smaller, below the label.
            keeps_state: see `Box`.
        """
        box = Box(label=label, kind=kind, detail=detail, keeps_state=keeps_state)
        self.boxes.append(box)
        place = len(self.boxes) - 1
        for source in sources:
            start, name = source if isinstance(source, tuple) else (source, "")
            self.arrows.append(Arrow(source=start, target=place, name=name))
        return place

    def done(self, note: str = "") -> Flow:
        """Return the flow."""
        return Flow(boxes=tuple(self.boxes), arrows=tuple(self.arrows), note=note)
