"""Which cards there are: those that ship, and a user's own from a folder of Markdown files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from move37.cognition.cards import Card, shipped_places, unique
from move37.cognition.handwritten import read_folder


def all_cards(folder: Path | None = None) -> tuple[Card, ...]:
    """Return shipped cards and, if a folder is given, those in it, by id; drafts included.

    Raises:
        ConfigError: a file is malformed, or two cards share an id.
    """
    return unique(all_places(folder))


def all_places(folder: Path | None = None) -> Iterator[tuple[str, Card]]:
    """Yield the cards that `all_cards` returns, each with the file where it stands.

    Raises:
        ConfigError: a file is malformed.
    """
    yield from shipped_places()
    if folder:
        yield from read_folder(folder)


def reviewed(cards: Iterable[Card]) -> tuple[Card, ...]:
    """Return the cards that a campaign may use: no unreviewed drafts."""
    return tuple(card for card in cards if card.reviewed)


def faults(cards: Iterable[Card], *, known_edits: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with well-formed cards: unknown edits, gaps, texts that stand twice."""
    known = set(known_edits)
    cards = tuple(cards)
    claims = Counter(" ".join(card.claim.lower().split()) for card in cards)
    for card in cards:
        for edit in card.edits:
            if edit not in known:
                yield f"{card.id}: no edit is called {edit!r}"
        if not card.edits:
            yield f"{card.id}: suggests no edit; the symbolic Researcher cannot use it"
        for name in ("pitfalls", "cost"):
            if not getattr(card, name):
                yield f"{card.id}: {name} is empty"
        if claims[" ".join(card.claim.lower().split())] > 1:
            yield f"{card.id}: its claim stands in another card too"
        if not card.reviewed:
            yield f"{card.id}: a draft; read it, correct it and set reviewed = true"
