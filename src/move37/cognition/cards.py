"""One card: a cited piece of knowledge, its form checked. A card without a source is refused.

A shipped file of cards is TOML, one paper a file, in a folder that names the theme:

    title = "Gated Delta Networks: Improving Mamba2 with Delta Rule"
    authors = "Yang, Kautz, Hatamizadeh"
    year = 2024
    arxiv = "2412.06464"
    checked = "abstract"
    seen = "https://aitopics.org/doc/arxivorg:839D59AC"

    [[cards]]
    id = "gated-delta-rule"
    claim = "…"
    …

A user's own cards are Markdown (`handwritten.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from move37.core.errors import ConfigError

ARXIV = r"^(\d{2}(0[1-9]|1[0-2])\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$"
MAX_WORDS = 1200
Words = Annotated[str, Field(min_length=20, max_length=MAX_WORDS)]
Checked = Literal["abstract", "code", "account", "user"]
"""What title, id and claims were checked against: the paper's abstract (or more of it), code or
README of a repository, what others published about it; or by the user who wrote the card."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CardBody(_Record):
    """What a card says."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,59}$")]
    claim: Words
    mechanism: Words
    """With the formula."""
    when: Words
    """The weakness it cures, as an Analyst would describe it."""
    how: Words
    """With our kernels."""
    pitfalls: Annotated[str, Field(max_length=MAX_WORDS)] = ""
    cost: Annotated[str, Field(max_length=MAX_WORDS)] = ""
    kernels: tuple[str, ...] = ()
    """Functions of `arena/kernels` that `how` needs."""
    edits: tuple[str, ...] = ()
    """Edits of the symbolic Researcher that go this way."""


class Source(_Record):
    """Where a card is from."""

    title: Annotated[str, Field(min_length=4, max_length=300)]
    authors: Annotated[str, Field(min_length=2, max_length=1000)]
    year: Annotated[int, Field(ge=1950, le=2100)]
    arxiv: Annotated[str, Field(pattern=ARXIV)] | None = None
    """arXiv id; None only for what was never there, then `venue` says where it is."""
    venue: Annotated[str, Field(max_length=300)] = ""
    checked: Checked = "user"
    seen: Annotated[str, Field(pattern=r"^(https?://[^\s\"<>]+)?$", max_length=300)] = ""
    """Public address of the text it was checked against."""

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.arxiv is None and not self.venue:
            raise ValueError('a card needs a source: give arxiv = "…" or venue = "…"')
        if self.arxiv and "/" not in self.arxiv and 2000 + int(self.arxiv[:2]) != self.year:
            year = 2000 + int(self.arxiv[:2])
            raise ValueError(f"arXiv id {self.arxiv} is of the year {year}, not {self.year}")
        return self


class Card(CardBody, Source):
    """A piece of knowledge and where it is from."""

    theme: str = ""
    reviewed: bool = True
    """False for drafts that a model wrote from a paper: campaigns do not use them."""


def make_cards(
    source: dict[str, Any],  # parsed text, checked here
    bodies: Iterable[dict[str, Any]],
    *,
    where: str,
) -> tuple[Card, ...]:
    """Return cards from parsed text.

    Raises:
        ConfigError: a field is missing, unknown or of the wrong form, or there is no source.
    """
    try:
        return tuple(Card.model_validate({**source, **body}) for body in bodies)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "source"
        raise ConfigError(f"{where}: {key}: {first['msg']}") from error


def read_cards(text: str, *, where: str, theme: str = "") -> tuple[Card, ...]:
    """Return the cards of one paper's TOML file.

    Raises:
        ConfigError: not TOML, a field missing or unknown, or no source (arXiv id or venue).
    """
    try:
        source = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not valid TOML: {error}") from error
    bodies = source.pop("cards", None)
    if not bodies or not isinstance(bodies, list):
        raise ConfigError(f"{where}: no [[cards]]; a paper without a card says nothing")
    return make_cards({**source, "theme": theme}, bodies, where=where)


def shipped_cards() -> tuple[Card, ...]:
    """Return all cards that ship with move37, by id.

    Raises:
        ConfigError: a file is malformed, or two cards share an id.
    """
    return unique(shipped_places())


def shipped_places() -> Iterator[tuple[str, Card]]:
    """Yield the cards that ship with move37, each with its file.

    Raises:
        ConfigError: a file is malformed.
    """
    for theme, file in _files():
        where = f"{theme}/{file.name}"
        for card in read_cards(file.read_text("utf-8"), where=where, theme=theme):
            yield f"{where} of move37", card


def unique(placed: Iterable[tuple[str, Card]]) -> tuple[Card, ...]:
    """Return cards sorted by id.

    Args:
        placed: where each card stands, and the card.

    Raises:
        ConfigError: two cards share an id; says where they stand.
    """
    found: dict[str, tuple[str, Card]] = {}
    for where, card in placed:
        if card.id in found:
            first = found[card.id][0]
            places = f"both in {where}" if first == where else f"in {first} and in {where}"
            raise ConfigError(
                f"two cards are called {card.id!r}, {places}; ids are unique: rename one, "
                "or remove it"
            )
        found[card.id] = where, card
    return tuple(found[id_][1] for id_ in sorted(found))


def _files() -> Iterator[tuple[str, Traversable]]:
    """Yield the shipped files with their themes."""
    for folder in resources.files("move37.cognition").joinpath("papers").iterdir():
        if folder.is_dir():
            files = (f for f in folder.iterdir() if f.name.endswith(".toml"))
            yield from ((folder.name, file) for file in files)
