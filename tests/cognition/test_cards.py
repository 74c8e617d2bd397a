"""Cards are cited, unique and well-formed; any text can be searched for."""

from __future__ import annotations

import re

import pytest

from move37.arena import kernels
from move37.cognition.cards import read_cards, shipped_cards
from move37.cognition.library import Library
from move37.core.errors import ConfigError, UnknownName
from move37.team.symbolic.edits import EDITS

CARDS = shipped_cards()
LIBRARY = Library(CARDS)
N_CARDS = 228
N_PAPERS = 179
"""May only grow."""


def test_every_card_has_a_source():
    assert all(card.arxiv or card.venue for card in CARDS)
    assert len(CARDS) >= N_CARDS
    assert len({(card.arxiv or card.venue, card.title) for card in CARDS}) >= N_PAPERS


def test_every_card_is_whole():
    for card in CARDS:
        assert card.pitfalls, card.id
        assert card.cost, card.id
        assert card.theme, card.id
        assert card.checked != "user", card.id


def test_every_card_names_what_it_was_checked_against():
    for card in CARDS:
        assert card.seen, card.id


def test_no_two_cards_say_the_same():
    for field in ("claim", "mechanism", "when", "how"):
        texts = [getattr(card, field).lower() for card in CARDS]
        assert len(texts) == len(set(texts)), field


def test_no_paper_has_two_files():
    sources = {card.arxiv or card.venue: card.title for card in CARDS}
    titles = {card.title: card.arxiv or card.venue for card in CARDS}
    assert len(sources) == len(titles)
    assert all(titles[title] == source for source, title in sources.items())


def test_every_suggested_edit_exists():
    assert {edit for card in CARDS for edit in card.edits} <= set(EDITS)


def test_every_named_kernel_exists():
    exported = set(kernels.__all__)
    for card in CARDS:
        assert set(card.kernels) <= exported, card.id
        words = set(re.findall(r"[a-z_]+_[a-z_]+", card.how))
        assert words & exported <= set(card.kernels), card.id


@pytest.mark.parametrize(
    ("query", "card"),
    [
        (
            "state tracking fails: permutation groups need several entries swapped",
            "householder-products",
        ),
        ("noisy recall is weak, associations interfere", "delta-rule-write"),
        ("training diverges where the layer divides by a running sum", "normalise-the-read"),
        ("local text structure is weak, recall is fine", "local-plus-global"),
    ],
)
def test_a_weakness_in_words_finds_its_card(query, card):
    assert card in [hit.card.id for hit in LIBRARY.search(query, limit=3)]


def test_the_best_hit_has_relevance_one_and_the_others_less():
    hits = LIBRARY.search("memory decay state", limit=5)
    relevance = [hit.relevance for hit in hits]
    assert relevance[0] == 1.0
    assert relevance == sorted(relevance, reverse=True)
    assert all(0 < r <= 1 for r in relevance)


@pytest.mark.parametrize("query", ["", "\"'", "; DROP TABLE cards --", "NEAR(", "a" * 100_000])
def test_any_text_is_a_query(query):
    assert isinstance(LIBRARY.search(query), tuple)
    assert len(LIBRARY.search("memory")) > 0


def test_an_unknown_card_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'delta-rule-write'"):
        LIBRARY.get("delta-rule-writ")


GOOD = """
title = "A paper with a long enough title"
authors = "Somebody"
year = 2024
arxiv = "2401.00001"
[[cards]]
id = "some-card"
claim = "something that holds, in words"
mechanism = "something with a formula, in words"
when = "when a weakness is described like this"
how = "with the kernels, in these words"
"""


def test_a_card_is_read_with_its_source():
    (card,) = read_cards(GOOD, where="good.toml")
    assert (card.id, card.arxiv, card.year) == ("some-card", "2401.00001", 2024)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('arxiv = "2401.00001"', "", "needs a source"),
        ("2401.00001", "not an id", "arxiv"),
        ("claim =", "clam =", "claim"),
        ('id = "some-card"', 'id = "Some Card"', "id"),
        ("[[cards]]", "[[cards]", "not valid TOML"),
        ("year = 2024", "year = 2023", "of the year 2024, not 2023"),
        ("2401.00001", "2413.00001", "arxiv"),
        ("year =", 'checked = "memory"\nyear =', "checked"),
        ("year =", 'seen = "my notebook"\nyear =', "seen"),
    ],
)
def test_a_malformed_card_is_refused(old, new, words):
    with pytest.raises(ConfigError, match=words):
        read_cards(GOOD.replace(old, new), where="bad.toml")
