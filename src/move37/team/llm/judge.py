"""The Judge as a panel of language models: blind, shuffled, on a scale set by well-known layers.

Every judge grades the candidate among the campaign's anchors, all as bare code, in an order of its
own. Its grades of the anchors are its scale: 0.5 is what it gives them on average, so a harsh judge
and a kind one say the same. A judge related to the author is not asked. The panel's word is the
median; all votes are kept, so that agreement can be reported.
"""

from __future__ import annotations

import ast
import random
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from move37.core.errors import ReplyError
from move37.core.parsing import parse
from move37.team.llm.prompting import Prompt, Section, compose
from move37.team.llm.replies import ReplyFields, read_fields
from move37.team.llm.seat import Seat
from move37.team.protocols import Exhibit, Judgement

WEIGHTS = {"novelty": 0.3, "elegance": 0.2, "complexity": 0.2, "soundness": 0.3}  # assumed
MAX_TOKENS = 20_000  # assumed
SPREAD = 0.15  # assumed: of a judge's grades of known layers, where its own is narrower
SLOPE = 0.25  # quality per spread: two spreads above the known layers is the best there is
LABELS = "ABCDEFGH"
Related = Callable[[str, str], bool]
Grade = Annotated[float, Field(ge=0, le=1)]


class _Grades(ReplyFields):
    novelty: Grade
    elegance: Grade
    complexity: Grade
    soundness: Grade

    def quality(self) -> float:
        return sum(weight * getattr(self, part) for part, weight in WEIGHTS.items())


class _Sheet(ReplyFields):
    grades: dict[str, _Grades]


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """One judge's word on one candidate."""

    judge: str
    quality: float
    rubric: dict[str, float]


class LlmJudge:
    """Judges through seats of unrelated models; implements `team.protocols.Judge`."""

    def __init__(
        self,
        panel: Callable[[int], Sequence[Seat]],
        *,
        related: Related | None = None,
        max_judges: int | None = None,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        """Seat the panel.

        Args:
            panel: from a candidate's index to the judges' seats.
            related: whether two models (names of seats, authors) are of one family; default: of one
                provider.
            max_judges: how many unrelated ones are asked; None: all.
            max_tokens: of one prompt.
        """
        self._panel = panel
        self._max_judges = max_judges
        self._related = related or same_provider
        self._max_tokens = max_tokens

    def assess(self, exhibit: Exhibit) -> Judgement:
        """Return the panel's median.

        Raises:
            ReplyError: every judge is related to the author, or none gave a usable reply.
        """
        authors = exhibit.authors or (exhibit.candidate.author,)
        seats = self._panel(exhibit.index)
        panel = [s for s in seats if not any(self._related(a, s.label) for a in authors)]
        if not panel:
            names = ", ".join(map(repr, authors))
            raise ReplyError(f"all judges are related to the author ({names}): nobody may judge")
        votes, problems = list[Vote](), list[str]()
        for number, seat in enumerate(panel[: self._max_judges]):
            try:
                votes.append(self._ask(seat, exhibit, number=number))
            except ReplyError as error:
                problems.append(f"{seat.label}: {error}")
        if not votes:
            raise ReplyError(f"no judge gave a usable reply; {'; '.join(problems)}")
        return combine(votes)

    def _ask(self, seat: Seat, exhibit: Exhibit, *, number: int) -> Vote:
        order = order_of(exhibit, number=number)
        prompt = render(exhibit, order, max_tokens=self._max_tokens)
        return seat.ask(prompt, reader(order, judge=seat.label))


def same_provider(author: str, judge: str) -> bool:
    """Whether both names begin with one provider: all that can be known without a registry."""
    provider = judge.partition(":")[0]
    return ":" in author and author.partition(":")[0] == provider


def order_of(exhibit: Exhibit, *, number: int) -> tuple[int, ...]:
    """Return the order in which a judge sees the layers; 0 is the candidate, 1.. the anchors."""
    places = list(range(1 + min(len(exhibit.anchors), len(LABELS) - 1)))
    rng = random.Random(f"{exhibit.seed}/{number}")  # noqa: S311  # a seeded order, no secret
    rng.shuffle(places)
    return tuple(places)


def render(exhibit: Exhibit, order: Sequence[int], *, max_tokens: int) -> Prompt:
    """Return the prompt: bare layers under letters, and nothing that was measured."""
    sources = [exhibit.candidate.source, *exhibit.anchors]
    sections = [
        Section(title=f"layer {label}", text=bare(sources[place]), weight=5)
        for label, place in zip(LABELS, order, strict=False)
    ]
    labels = LABELS[: len(order)]
    return compose("judge", sections, max_tokens=max_tokens, n=len(order), labels=", ".join(labels))


def reader(order: Sequence[int], *, judge: str) -> Callable[[str], Vote]:
    """Return the function that makes a vote of a reply's text."""

    def read(reply: str) -> Vote:
        sheet = read_fields(reply, _Sheet).grades
        grades = {
            label.strip().upper().removeprefix("LAYER").strip(): g for label, g in sheet.items()
        }
        missing = [label for label in LABELS[: len(order)] if label not in grades]
        if missing:
            raise ReplyError(f"no grades for {', '.join(missing)}; grade every layer")
        by_place = {place: grades[label] for label, place in zip(LABELS, order, strict=False)}
        own = by_place.pop(0)
        quality = calibrated(own.quality(), [g.quality() for g in by_place.values()])
        rubric = {part: getattr(own, part) for part in WEIGHTS}
        return Vote(judge=judge, quality=quality, rubric=rubric)

    return read


def calibrated(raw: float, anchors: Sequence[float]) -> float:
    """Return a grade on the scale of a judge's own grades of well-known layers.

    0.5 is their mean; each of their deviations (at least SPREAD) counts SLOPE.
    """
    if not anchors:
        return round(min(1.0, max(0.0, raw)), 4)
    spread = max(SPREAD, statistics.pstdev(anchors))
    z = (raw - statistics.fmean(anchors)) / spread
    return round(min(1.0, max(0.0, 0.5 + SLOPE * z)), 4)


def combine(votes: Sequence[Vote]) -> Judgement:
    """Return the median of the votes, and each part's median."""
    return Judgement(
        quality=round(statistics.median(v.quality for v in votes), 4),
        rubric={
            part: round(statistics.median(v.rubric[part] for v in votes), 4) for part in WEIGHTS
        },
        votes={vote.judge: vote.quality for vote in votes},
    )


def bare(source: str) -> str:
    """Return a layer without what tells its author and name: comments and docstrings.

    Source that cannot be parsed, or nests too deep to be written again, loses comments only.
    """
    try:
        tree = parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        return ast.unparse(tree) + "\n"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return re.sub(r"#[^\n]*", "", source)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
