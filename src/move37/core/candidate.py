"""What is proposed: an Idea, and the Candidate that carries it as source code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from move37.core.errors import SourceError

MAX_SOURCE_BYTES = 400_000  # assumed: the longest of 106 published layers has 30 kB

BIDI_CONTROLS = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
)


class Origin(StrEnum):
    """Where a design element comes from."""

    CARD = "card"
    """A card of the cognition base; `Element.source` is its id."""
    LESSON = "lesson"
    """An earlier candidate's lesson; `Element.source` is that candidate's id."""
    ORIGINAL = "original"
    """Nowhere: the author's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """One design element of a candidate and its declared source."""

    name: str
    """Short, stable, lower case with dashes: `delta-update`, `channel-decay`."""
    origin: Origin = Origin.ORIGINAL
    source: str = ""
    """Id of the card or candidate; empty when original."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """A falsifiable claim made before the trial: the effect on one task."""

    task: str
    effect: float
    """Expected paired effect in units of the task's noise; positive is better."""
    confidence: float = 0.5
    """Author's probability that the measured effect has this sign."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Idea:
    """Why a layer might be good, in words, before anything was measured."""

    name: str
    motivation: str
    mechanism: str
    elements: tuple[Element, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    description: str = ""
    """Machine-readable form (JSON) for authors that have one; empty for free code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An Idea plus the source of one file that defines `class Mixer`."""

    id: str
    """First 12 hex digits of the SHA-256 of the source."""
    source: str
    idea: Idea
    parents: tuple[str, ...] = ()
    """Ids of the candidates it was made from; the first is the one it is compared with."""
    author: str = "human"
    """Team member and, for models, the model name: `symbolic`, `anthropic:claude-…`."""

    @classmethod
    def of(
        cls, source: str, idea: Idea, *, parents: tuple[str, ...] = (), author: str = "human"
    ) -> Candidate:
        """Build a candidate; the id follows from the source.

        Raises:
            SourceError: the source is not acceptable text (see `check_source`).
        """
        check_source(source)
        return cls(id=source_id(source), source=source, idea=idea, parents=parents, author=author)


def source_id(source: str) -> str:
    """Return the id of a candidate with this source."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def check_source(source: str) -> None:
    """Refuse text that no honest layer contains. Parsing itself happens in the sandbox.

    Raises:
        SourceError: larger than MAX_SOURCE_BYTES, null bytes, surrogates, or bidirectional controls
            (source that reads differently from what it does: CVE-2021-42574).
    """
    try:
        n_bytes = len(source.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise SourceError(f"source is not valid text: {error.reason}") from error
    if n_bytes > MAX_SOURCE_BYTES:
        raise SourceError(
            f"source must be at most {MAX_SOURCE_BYTES} bytes, got {n_bytes}; is this a layer?"
        )
    if "\0" in source:
        raise SourceError("source contains a null byte; save the file as plain UTF-8 text")
    if hidden := sorted({f"U+{ord(c):04X}" for c in source if c in BIDI_CONTROLS}):
        raise SourceError(
            f"source contains bidirectional control characters ({', '.join(hidden)}), which make "
            "code read differently from what it does; remove them"
        )
