"""The default search finds what people judged relevant, and keeps its level.

Q1 judged ids exist. Q2 the level of every kind of search is kept (bench/retrieval.py prints it).
Q3 the default is the best of the three by precision at 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from move37.cognition.cards import shipped_cards
from move37.cognition.judging import Judged, Quality, quality, read_judged
from move37.cognition.library import DEFAULT, Library
from move37.cognition.retrieval import How

JUDGED = read_judged(Path(__file__).with_name("judged.toml"))
LIBRARY = Library(shipped_cards())
LEVELS = {"lexical": (0.25, 0.71), "dense": (0.26, 0.77), "fused": (0.28, 0.77)}
"""Precision at 5 and reciprocal rank, measured 0.261/0.719, 0.279/0.798, 0.288/0.793."""


def measured(how: How) -> Quality:
    return quality(lambda q: [h.card.id for h in LIBRARY.search(q, limit=10, how=how)], JUDGED)


def test_there_are_at_least_sixty_judged_queries_of_known_cards():
    """Q1."""
    known = {card.id for card in shipped_cards()}
    assert len({query.text for query in JUDGED}) >= 60
    assert all(query.relevant and query.relevant <= known for query in JUDGED)


@pytest.mark.parametrize("how", get_args(How))
def test_search_keeps_its_level(how):
    """Q2."""
    precision, rank = LEVELS[how]
    found = measured(how)
    assert found.precision_at_5 >= precision
    assert found.reciprocal_rank >= rank


def test_the_default_has_the_best_precision():
    """Q3."""
    best = max(get_args(How), key=lambda how: measured(how).precision_at_5)
    assert best == DEFAULT


def test_quality_of_a_search_that_finds_the_second_of_two():
    found = quality(lambda _: ["x", "b"], [Judged(text="q", relevant=frozenset("ab"))])
    assert (found.precision_at_5, found.reciprocal_rank) == (0.2, 0.5)
    assert found.best_possible == pytest.approx(0.4)
