"""What layers are made of, where elements come from, and how discoveries come over compute.

C1  Usage is counted against plain counts; tests and intervals agree with scipy's.
C2  A card that was never shown is not a source.
C3  A law is only named where the data can tell: constant rates are found linear, falling ones not.
C4  An empty campaign, one candidate, no gallery: clear answers.
"""

from __future__ import annotations

import random

import pytest
from scipy.stats import fisher_exact
from told_campaigns import BASELINE, layer, opening, searched, winning

from move37.core.candidate import Candidate, Element, Idea, Origin
from move37.core.events import CardsRead
from move37.insights.components import classes_of, components, fisher, provenance
from move37.insights.discovery import discovery, fit
from move37.insights.story import tell


def made_of(*elements: Element) -> Candidate:
    idea = Idea(name="x", motivation="", mechanism="", elements=elements)
    return Candidate.of(f"# {elements!r}\n", idea, parents=(BASELINE.id,))


@pytest.mark.parametrize(("a", "m", "b", "n"), [(3, 5, 2, 30), (0, 4, 9, 20), (7, 7, 1, 9)])
def test_the_exact_test_is_the_exact_test(a, m, b, n):
    """C1."""
    _, expected = fisher_exact([[a, m - a], [b, n - b]])
    assert fisher(a, m, b, n) == pytest.approx(expected, abs=1e-9)


def test_shares_are_those_of_the_layers():
    """C1: two layers convolve, one of them decays."""
    one = made_of(Element(name="conv-k-4"), Element(name="decay-fixed-head"))
    two = made_of(Element(name="conv-q-3"))
    found = components(tell([*opening(), *searched(one, 1.0), *searched(two, 0.5)]))
    assert found is not None
    counts = {row.name: row.n_rest for row in found.rows}
    assert counts["short convolution"] == 2
    assert counts["fixed decay"] == 1
    assert (found.n_gallery, found.n_rest) == (0, 2)


def test_a_layer_that_declares_nothing_is_read_from_its_code():
    """C1."""
    story = tell(
        [*opening(), *searched(layer("x", source="# delta_rule and a rotary twist\n"), 1.0)]
    )
    (record,) = story.searched
    assert {"delta rule", "rotation"} <= classes_of(record)


def test_a_card_that_was_never_shown_is_no_source():
    """C2."""
    real = Element(name="conv-k-4", origin=Origin.CARD, source="shown")
    false = Element(name="bonus", origin=Origin.CARD, source="never")
    absent = Element(name="shift", origin=Origin.LESSON, source="nobody")
    cards = CardsRead(index=0, query="", cards=("shown",))
    events = [*opening(), cards, *searched(made_of(real, false, absent), 1.0)]
    (row,) = provenance(tell(events), events)
    assert (row.n, row.n_unfounded) == (3, 2)
    assert row.card == pytest.approx(1 / 3)
    assert row.original == pytest.approx(2 / 3)


def test_a_constant_rate_is_found_linear_and_a_falling_one_is_not():
    """C3."""
    draw = random.Random(2)
    even = [fit(sorted(draw.uniform(0, 3600) for _ in range(30)), 3600) for _ in range(40)]
    assert sum("level off" in f.words for f in even) <= 5
    early = fit(sorted(draw.expovariate(1 / 400) % 3600 for _ in range(30)), 3600)
    assert "level off" in early.words
    assert early.low < early.rate_per_hour == 30.0 < early.high


def test_few_discoveries_name_no_law():
    """C3, C4."""
    assert "too few" in fit([10.0, 20.0], 100.0).words
    found = discovery(winning())
    assert found is not None
    assert len(found.at_cpu_seconds) == 1


def test_nothing_gives_nothing():
    """C4."""
    assert components(tell([])) is None
    assert provenance(tell([]), []) == []
    assert discovery([]) is None
