"""One card: a cited piece of knowledge, its form checked. A card without a source is refused.

A file of cards is TOML, one paper a file:

    title = "Gated Delta Networks: Improving Mamba2 with Delta Rule"
    authors = "Yang, Kautz, Hatamizadeh"
    year = 2024
    arxiv = "2412.06464"

    [[cards]]
    id = "gated-delta-rule"
    claim = "…"
    …
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from move37.core.errors import ConfigError

ARXIV = r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$"
Words = Annotated[str, Field(min_length=20)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Body(_Record):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,59}$")]
    claim: Words
    mechanism: Words
    when: Words
    how: Words
    pitfalls: str = ""
    cost: str = ""
    edits: tuple[str, ...] = ()


class _Paper(_Record):
    title: Words
    authors: Annotated[str, Field(min_length=3)]
    year: Annotated[int, Field(ge=1950, le=2100)]
    arxiv: Annotated[str, Field(pattern=ARXIV)] | None = None
    venue: str = ""
    cards: Annotated[tuple[_Body, ...], Field(min_length=1)]


class Card(_Body):
    """A piece of knowledge and where it is from."""

    title: str
    authors: str
    year: int
    arxiv: str | None = None
    """arXiv id; None only for what was never there, then `venue` says where it is."""
    venue: str = ""


def read_cards(text: str, *, where: str) -> tuple[Card, ...]:
    """Return the cards of one paper's file.

    Raises:
        ConfigError: not TOML, a field missing or unknown, or no source (arXiv id or venue).
    """
    try:
        paper = _Paper.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {key}: {first['msg']}") from error
    if paper.arxiv is None and not paper.venue:
        raise ConfigError(f'{where}: a card needs a source: give arxiv = "…" or venue = "…"')
    source = paper.model_dump(exclude={"cards"})
    return tuple(Card(**source, **body.model_dump()) for body in paper.cards)


def shipped_cards() -> tuple[Card, ...]:
    """Return all cards that ship with move37, by id.

    Raises:
        ConfigError: a file is malformed, or two cards share an id.
    """
    cards: dict[str, Card] = {}
    for file in _files():
        for card in read_cards(file.read_text("utf-8"), where=file.name):
            if card.id in cards:
                raise ConfigError(f"{file.name}: card id {card.id!r} is taken; ids are unique")
            cards[card.id] = card
    return tuple(cards[id_] for id_ in sorted(cards))


def _files() -> Iterator[Traversable]:
    folder = resources.files("move37.cognition") / "papers"
    yield from sorted(
        (f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda file: file.name
    )
