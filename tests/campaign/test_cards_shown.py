"""Which cards a Researcher reads: those that the ledger names, whatever the folder became since."""

from __future__ import annotations

from move37.campaign.brief import N_CARDS, as_read
from move37.cognition.cards import shipped_cards
from move37.cognition.library import Library
from move37.core.events import CardsRead

CARDS = shipped_cards()[:12]
READ = CardsRead(
    index=0,
    query="forgets old values",
    cards=(CARDS[7].id, CARDS[2].id, CARDS[5].id),
    relevance=(1.0, 0.5, 0.1 + 0.2),
)


def test_the_cards_of_the_ledger_are_shown_and_no_others():
    shown = as_read(Library(CARDS), READ)
    assert tuple(hit.card.id for hit in shown) == READ.cards
    assert tuple(hit.relevance for hit in shown) == READ.relevance


def test_a_card_that_has_left_the_folder_is_not_replaced_by_another():
    shown = as_read(Library([card for card in CARDS if card.id != READ.cards[1]]), READ)
    assert tuple(hit.card.id for hit in shown) == (READ.cards[0], READ.cards[2])


def test_a_ledger_of_an_earlier_version_asks_its_question_again():
    earlier = CardsRead(index=0, query=READ.query, cards=READ.cards)
    library = Library(CARDS)
    assert as_read(library, earlier) == library.search(READ.query, limit=N_CARDS)
