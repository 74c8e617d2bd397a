"""What layers are made of, and where their elements come from.

C1  Usage is counted against plain counts; tests and intervals agree with scipy's.
C2  What was not in the author's context is no source: cards never shown or shown to another,
    lessons written later, of a candidate too near in time, of the other arm, or of nobody.
C3  Gallery and rest are compared with an interval.
C4  An empty campaign, one candidate, no gallery: clear answers.
"""

from __future__ import annotations

import pytest
from scipy.stats import fisher_exact
from told_campaigns import BASELINE, confirmed, layer, opening, searched

from move37.core.candidate import Candidate, Element, Idea, Origin
from move37.core.events import CandidateProposed, CandidateStarted, CardsRead, Event, LessonWritten
from move37.insights.components import (
    classes_of,
    components,
    difference_of_shares,
    false_discovery_rates,
    fisher,
)
from move37.insights.provenance import checked_origins, provenance, share_rows
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
    found = components(tell([*opening(), *searched(one, 1.0), *searched(two, 0.5)]).searched)
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


def lesson_of(candidate: Candidate, index: int) -> LessonWritten:
    return LessonWritten(
        index=index, candidate_id=candidate.id, text="", prediction_held=None, credits={}
    )


OLD, TAUGHT = layer("old"), layer("taught")


def learning(index: int, *before: Event) -> list[Origin]:
    """Origins, as checked, of a candidate at an index that says it learnt from OLD."""
    element = Element(name="shift", origin=Origin.LESSON, source=OLD.id)
    pupil = made_of(element)
    events = [
        *opening(),
        CandidateProposed(index=2, candidate=OLD, operator="x"),
        *before,
        CandidateProposed(index=index, candidate=pupil, operator="x"),
        lesson_of(OLD, 2),  # too late
    ]
    return checked_origins(tell(events), events)[index, pupil.id]


@pytest.mark.parametrize(
    ("index", "before", "origin"),
    [
        (9, [lesson_of(OLD, 2)], Origin.LESSON),
        (9, [], Origin.ORIGINAL),
        (6, [lesson_of(OLD, 2)], Origin.ORIGINAL),
        (9, [lesson_of(TAUGHT, 2)], Origin.ORIGINAL),
        (
            9,
            [
                CandidateStarted(index=2, driver="d", arm="control"),
                CandidateStarted(index=9, driver="d", arm="team"),
                lesson_of(OLD, 2),
            ],
            Origin.ORIGINAL,
        ),
    ],
    ids=["there", "written later", "too near: the lag is 4", "another's", "of the other arm"],
)
def test_a_lesson_is_a_source_only_where_its_author_could_read_it(index, before, origin):
    """C2."""
    assert learning(index, *before) == [origin]


def test_a_card_shown_for_another_candidate_is_no_source():
    """C2."""
    pupil = made_of(Element(name="conv-k-4", origin=Origin.CARD, source="shown"))
    events = [
        *opening(),
        CardsRead(index=3, query="", cards=("shown",)),
        CardsRead(index=4, query="", cards=("other",)),
        CandidateProposed(index=4, candidate=pupil, operator="x"),
    ]
    assert checked_origins(tell(events), events)[4, pupil.id] == [Origin.ORIGINAL]


def test_gallery_and_rest_are_compared_with_an_interval():
    """C3."""
    from_card = Element(name="conv-k-4", origin=Origin.CARD, source="shown")
    cards = CardsRead(index=0, query="", cards=("shown",))
    good, plain = made_of(from_card, Element(name="bonus")), made_of(Element(name="shift"))
    events = [*opening(), cards, *confirmed(good), *searched(plain, 0.5)]
    gallery, rest = provenance(tell(events), events)
    assert (gallery.n, gallery.card, rest.n, rest.card) == (2, 0.5, 1, 0.0)
    row = {row.origin: row for row in share_rows([gallery, rest])}["card"]
    assert (row.low, row.high) == difference_of_shares(1, 2, 0, 1)
    assert row.low < row.difference < row.high


def test_false_discovery_rates_are_those_of_scipy():
    """C1."""
    from scipy.stats import false_discovery_control

    p_values = [0.04, 0.001, 0.5, 0.04, 1.0, 0.02]
    expected = false_discovery_control(p_values)
    assert false_discovery_rates(p_values) == pytest.approx(list(expected))


def test_nothing_gives_nothing():
    """C4."""
    assert components([]) is None
    assert provenance(tell([]), []) == []
    assert share_rows([]) == []
