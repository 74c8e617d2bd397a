"""The Researcher as a language model: from a brief to an idea and its code, in one conversation."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from move37.core.candidate import Candidate, Element, Idea, Origin, Prediction, source_id
from move37.core.errors import ReplyError
from move37.team.llm import material
from move37.team.llm.prompting import Prompt, Section, compose
from move37.team.llm.replies import ReplyFields, read_fields, read_layer_code
from move37.team.llm.seat import Seats, Tool
from move37.team.protocols import Bench, Brief, Mode, Proposal

MAX_TOKENS = 24_000  # assumed: of the first prompt; every model in use takes more
MODE_SHARES = {Mode.REFINE: 0.45, Mode.RECOMBINE: 0.2, Mode.LEAP: 0.25, Mode.SIMPLIFY: 0.1}
"""Assumed. Which kind of step is asked for, where the campaign leaves it open."""
MAX_EFFECT = 20.0  # noise units; what is predicted beyond is cut to it
SLUG = re.compile(r"[^a-z0-9]+")


class _Element(ReplyFields):
    name: Annotated[str, Field(min_length=1, max_length=80)]
    origin: Literal["card", "lesson", "original"] = "original"
    source: Annotated[str, Field(max_length=80)] = ""


class _Prediction(ReplyFields):
    task: Annotated[str, Field(max_length=80)]
    effect: float
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.5


class IdeaFields(ReplyFields):
    """What a proposal says beside its code."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    motivation: Annotated[str, Field(min_length=20, max_length=8_000)]
    mechanism: Annotated[str, Field(min_length=10, max_length=8_000)]
    elements: Annotated[tuple[_Element, ...], Field(max_length=30)] = ()
    predictions: Annotated[tuple[_Prediction, ...], Field(max_length=30)] = ()


class LlmResearcher:
    """Proposes through a seat; implements `team.protocols.Researcher`."""

    def __init__(self, seats: Seats, *, max_tokens: int = MAX_TOKENS) -> None:
        self._seats = seats
        self._max_tokens = max_tokens

    def propose(self, brief: Brief) -> Proposal:
        """Return what the model hands in, checked.

        Raises:
            ReplyError: no usable reply within the seat's bounds.
        """
        seat, mode = self._seats(brief.index), mode_of(brief)
        tools = bench_tools(brief.bench)
        prompt = render(brief, mode=mode, max_tokens=self._max_tokens, has_tools=bool(tools))
        return seat.ask(prompt, reader(brief, mode=mode, author=seat.label), tools=tools)


def mode_of(brief: Brief) -> str:
    """Return the kind of step: as asked, or by the brief's seed; `ablate` where one is due."""
    if brief.remove:
        return "ablate"
    if brief.mode is not Mode.ANY:
        return brief.mode.value
    modes = [mode for mode in MODE_SHARES if mode is not Mode.RECOMBINE or brief.references]
    rng = random.Random(brief.seed)  # noqa: S311  # a seeded search, no secret
    return rng.choices(modes, [MODE_SHARES[mode] for mode in modes])[0].value


def render(brief: Brief, *, mode: str, max_tokens: int, has_tools: bool) -> Prompt:
    """Return the prompt for a brief."""
    return compose(
        "researcher",
        sections_of(brief),
        max_tokens=max_tokens,
        mode=mode,
        remove=slug(brief.remove),
        tools=has_tools,
        example_task=next(iter(brief.task_names), "recall"),
    )


def sections_of(brief: Brief) -> list[Section]:
    """Return everything the brief shows, the weightiest material with the largest weight."""
    first, *others = brief.parents
    sections = [
        Section(title="setting", text=brief.setting, weight=9),
        Section(title="kernel vocabulary", text=brief.vocabulary, weight=6),
        material.idea_section("first parent: idea", first, weight=7),
        material.code_section("first parent: code", first, weight=8),
        material.result_section("first parent: measurements", first, weight=7),
    ]
    for number, parent in enumerate(others, start=2):
        sections.append(material.idea_section(f"parent {number}: idea", parent, weight=4))
        sections.append(material.code_section(f"parent {number}: code", parent, weight=3))
    compared = [k for k in (brief.baseline, *brief.references) if k is not None]
    sections += [
        Section(
            title="baseline and references: measurements",
            text=material.effects_table(compared),
            weight=3,
        ),
        *(
            part
            for k in brief.references[:2]
            for part in (
                material.idea_section(f"reference {k.candidate.id}: idea", k, weight=2),
                material.code_section(f"reference {k.candidate.id}: code", k, weight=0),
            )
        ),
        Section(
            title="siblings: what else was made from the first parent",
            text=material.effects_table(brief.siblings),
            weight=3,
        ),
        material.failures_section("what failed, and why", brief.failures, weight=4),
        material.lessons_section("lessons", brief.lessons, weight=2),
        material.cards_section("cards from the literature", brief.cards, weight=5),
        Section(
            title="your predictions so far",
            text=material.calibration_words(brief.calibration),
            weight=6,
        ),
    ]
    return sections


def reader(brief: Brief, *, mode: str, author: str) -> Callable[[str], Proposal]:
    """Return the function that makes a checked proposal of a reply's text."""

    def read(reply: str) -> Proposal:
        fields = read_fields(reply, IdeaFields)
        operator = f"llm:{mode}:{slug(brief.remove)}" if brief.remove else f"llm:{mode}"
        source = read_layer_code(reply)
        return proposal_of(fields, source, brief, author=author, operator=operator)

    return read


def proposal_of(
    fields: IdeaFields, source: str, brief: Brief, *, author: str, operator: str
) -> Proposal:
    """Return a checked proposal.

    Raises:
        ReplyError: the code was there before.
    """
    if source_id(source) in brief.known_ids:
        raise ReplyError("this very code was proposed before; hand in something new")
    candidate = Candidate.of(
        source,
        idea_of(fields, brief),
        parents=tuple(k.candidate.id for k in brief.parents),
        author=author,
    )
    return Proposal(candidate=candidate, operator=operator)


def idea_of(fields: IdeaFields, brief: Brief) -> Idea:
    """Return the idea with every claim checked: sources that do not exist become original."""
    cards = {card.id for card in brief.cards}
    known = {lesson.candidate_id for lesson in brief.lessons} | brief.known_ids
    elements = {}
    for part in fields.elements:
        origin, source = Origin(part.origin), part.source.strip()
        cited = (origin is Origin.CARD and source in cards) or (
            origin is Origin.LESSON and source in known
        )
        name = slug(part.name)
        if name:
            elements[name] = Element(
                name=name,
                origin=origin if cited else Origin.ORIGINAL,
                source=source if cited else "",
            )
    if brief.remove:
        name = f"without-{slug(brief.remove)}"
        elements = {name: Element(name=name)}
    predictions = {
        p.task: Prediction(
            task=p.task,
            effect=max(-MAX_EFFECT, min(MAX_EFFECT, p.effect)),
            confidence=p.confidence,
        )
        for p in fields.predictions
        if p.task in brief.task_names
    }
    return Idea(
        name=" ".join(fields.name.split()),
        motivation=fields.motivation.strip(),
        mechanism=fields.mechanism.strip(),
        elements=tuple(elements.values()),
        predictions=tuple(predictions.values()),
    )


def bench_tools(bench: Bench | None) -> Sequence[Tool]:
    """Return the bench as tools for a model."""
    if bench is None:
        return ()
    return (
        bench.read_candidate,
        bench.diff_candidates,
        bench.search_cards,
        bench.search_lessons,
        bench.probe_draft,
        bench.smoke_train,
    )


def slug(name: str) -> str:
    """Return a name as short lower-case words with dashes."""
    return SLUG.sub("-", name.lower()).strip("-")[:60]
