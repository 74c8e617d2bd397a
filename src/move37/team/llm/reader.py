"""Draft cards from a paper: a model reads it and says what a designer can use.

The paper is quoted data, as everything that others wrote. What comes back is checked against it:
title and arXiv id must stand in the paper, edits must exist. Nobody here believes a draft; a person
reviews it before a campaign sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from move37.core.errors import ReplyError
from move37.team.llm.prompting import Prompt, Section, compose, shortened
from move37.team.llm.replies import ReplyFields, read_fields
from move37.team.llm.seat import Seat
from move37.team.symbolic.edits import EDITS

MAX_TOKENS = 60_000  # assumed: a paper of 30 pages with its appendix cut
HEAD = 6_000  # characters in which a paper names itself
COPIED_RUN = 12  # more words than this in the paper's own order are a copy, not a card

Sentence = Annotated[str, Field(min_length=20, max_length=1_000)]


class DraftCard(ReplyFields):
    """One card as a model drafts it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,59}$")]
    claim: Sentence
    mechanism: Sentence
    when: Sentence
    how: Sentence
    pitfalls: Annotated[str, Field(max_length=1_000)] = ""
    cost: Annotated[str, Field(max_length=1_000)] = ""
    edits: Annotated[tuple[str, ...], Field(max_length=8)] = ()


class Reading(ReplyFields):
    """What a model made of a paper."""

    title: Annotated[str, Field(min_length=4, max_length=300)]
    authors: Annotated[str, Field(min_length=2, max_length=1_000)]
    year: Annotated[int, Field(ge=1950, le=2100)]
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")] | None = None
    venue: Annotated[str, Field(max_length=300)] = ""
    cards: Annotated[tuple[DraftCard, ...], Field(min_length=1, max_length=4)]


def read_paper_with(seat: Seat, paper: str, *, max_tokens: int = MAX_TOKENS) -> Reading:
    """Return a model's draft of what a paper says.

    Raises:
        ReplyError: no usable reply within the seat's bounds.
    """
    return seat.ask(render(paper, max_tokens=max_tokens), reader_of(paper))


def render(paper: str, *, max_tokens: int) -> Prompt:
    """Return the prompt for a paper."""
    section = Section(title="the paper", text=paper, weight=1)
    return compose("reader", [section], max_tokens=max_tokens, edits=", ".join(sorted(EDITS)))


def reader_of(paper: str) -> Callable[[str], Reading]:
    """Return the function that reads a reply and checks it against the paper."""

    def read(reply: str) -> Reading:
        reading = read_fields(reply, Reading)
        _check_source(reading, paper)
        ids = [card.id for card in reading.cards]
        if len(set(ids)) < len(ids):
            raise ReplyError(f"two cards have one id ({', '.join(ids)}); give each its own")
        for card in reading.cards:
            _check_card(card, paper)
        return reading

    return read


def _check_source(reading: Reading, paper: str) -> None:
    head = set(_words(paper[:HEAD]))
    title = _words(reading.title)
    if not title or sum(word in head for word in title) < 0.8 * len(title):
        raise ReplyError(f"the title {shortened(reading.title, 80)!r} is not the paper's")
    if reading.arxiv and reading.arxiv not in paper:
        raise ReplyError(f"arXiv id {reading.arxiv} does not stand in the paper; use null")
    if reading.arxiv is None and not reading.venue:
        raise ReplyError("give arxiv if the paper prints its id, else venue")
    if reading.arxiv and 2000 + int(reading.arxiv[:2]) != reading.year:
        raise ReplyError(f"arXiv id {reading.arxiv} is not of the year {reading.year}")


def _check_card(card: DraftCard, paper: str) -> None:
    if unknown := [edit for edit in card.edits if edit not in EDITS]:
        raise ReplyError(f"card {card.id}: no edit is called {', '.join(unknown)[:200]}")
    spelled = " ".join(_words(paper))
    for name in ("claim", "when", "how", "pitfalls"):
        words = _words(getattr(card, name))
        for start in range(len(words) - COPIED_RUN + 1):
            run = " ".join(words[start : start + COPIED_RUN])
            if run in spelled:
                raise ReplyError(f"card {card.id}: {name} copies the paper ({run!r}); say it anew")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
