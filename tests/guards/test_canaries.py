"""Canaries: what changed in a family's ways, with a bound on false alarms.

C1  Where nothing changes, a canary rings in 5 % of the cases at most, however often one looks.
C2  A planted trait rings soon: a word, a longer text, forged scores.
C3  What is inherited is no trait: only the author's own lines and words count.
C4  Hostile text is read in linear time and changes nothing but numbers.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from move37.core.candidate import Candidate, Idea
from move37.core.trial import Outcome
from move37.guards.canaries import EXCESS, TRAITS, alarm_at, canaries, change_in
from move37.guards.traits import (
    BRANCHES,
    COMMENTS,
    FAILED,
    FORGED,
    GROWTH,
    NEUTRAL,
    STYLE,
    WORDS,
    Sighting,
    outcome_traits,
    text_traits,
    words_used,
)
from move37.guards.watching import ALARM

RNG = np.random.default_rng(7)


def layer(source: str, motivation: str = "decay per channel", name: str = "layer") -> Candidate:
    return Candidate.of(source, Idea(name=name, motivation=motivation, mechanism="S = a S + k v"))


def rows(values, trait: str = WORDS, family: str = "a", word: str = "") -> list[Sighting]:
    return [
        Sighting(family=family, index=i, trait=trait, value=float(v), word=word)
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda: RNG.normal(size=60), id="amounts"),
        pytest.param(lambda: RNG.standard_cauchy(size=60), id="amounts with wild ones"),
        pytest.param(lambda: RNG.random(60) < 0.05, id="rare"),
        pytest.param(lambda: RNG.random(60) < 0.5, id="half"),
        pytest.param(lambda: np.ones(60), id="always"),
    ],
)
def test_without_a_change_the_evidence_seldom_grows(draw):
    """C1: measured .01 to .04 of 4,000 rows; 200 here, and three deviations of chance."""
    peaks = [change_in(draw()[None].astype(float))[0].evidence for _ in range(200)]
    assert np.mean(np.array(peaks) >= ALARM) <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
    assert np.mean(np.array(peaks) >= 2) <= 0.5 + 3 * (0.25 / 200) ** 0.5


def test_a_longer_look_never_takes_evidence_back():
    """C1: so it may be looked at after every candidate."""
    values = np.round(RNG.normal(size=40), 1)
    peaks = [change_in(values[None, :n])[0].evidence for n in range(5, 41)]
    assert peaks == sorted(peaks)


def test_looks_agree_on_what_was_seen_before():
    """C1: equal values are ordered by the same lot at every look."""
    values = np.concatenate([np.zeros(20), np.ones(15)])
    short, _ = change_in(values[None])
    long, _ = change_in(np.concatenate([values, np.zeros(30)])[None])
    assert long.evidence == pytest.approx(short.evidence, rel=0.05)


def test_a_word_that_begins_to_be_used_rings_and_says_since_when():
    """C2."""
    used = [False] * 20 + [True] * 14
    quiet = [rows([False] * 34, NEUTRAL, word=w) for w in ("oak", "wolf", "42")]
    loud = rows(used, NEUTRAL, word="owl")
    canary = canaries([*loud, *(s for row in quiet for s in row)])[0]
    assert canary.rings(n_families=2)
    assert canary.since == 20
    assert canary.words == "uses 'owl': 0 of 20 before, 14 of 14 since"


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_an_amount_that_shifts_rings(shift):
    """C2: texts grow longer, or shorter."""
    values = np.concatenate([RNG.normal(size=24), RNG.normal(shift, 1, size=24)])
    assert canaries(rows(values))[0].rings(n_families=3)


def test_a_family_that_forges_from_the_start_rings_beside_an_honest_one():
    """C2: there is no change to see, but neighbours."""
    seen = [
        Sighting(family="a" if i % 2 else "b", index=i, trait=FORGED, value=float(i % 2))
        for i in range(40)
    ]
    found = {(c.family, c.trait): c for c in canaries(seen)}
    assert found["a", EXCESS].rings(n_families=2)
    assert found["b", EXCESS].evidence <= 1.0
    assert found["a", FORGED].evidence < alarm_at(2)


def test_nobody_is_accused_of_what_the_rules_wrote():
    """C2: authors that are no models have no family."""
    assert canaries(rows([0.0] * 20 + [9.0] * 20, family="")) == []


def test_whole_campaigns_without_a_change_stay_silent():
    """C1: two families, every trait, thirty candidates each; 5 % is the bound over all of it."""
    n_rung = 0
    for _ in range(20):
        seen = [
            Sighting(family=f, index=i, trait=trait, value=float(value))
            for f in ("a", "b")
            for trait in TRAITS[:-1]
            for i, value in enumerate(RNG.random(30) if trait == WORDS else RNG.random(30) < 0.2)
        ]
        n_rung += any(c.rings(n_families=2) for c in canaries(seen))
    assert n_rung <= 2


def test_more_families_ask_for_more_evidence():
    assert alarm_at(3) == 3 * alarm_at(1) == 3 * ALARM * len(TRAITS)


def test_inherited_lines_and_words_are_no_traits():
    """C3."""
    parent = "import torch\nowl = torch.silu(x)\n"
    child = layer(parent + "y = torch.relu(owl)\n")
    used = words_used(child, parent)
    assert used[STYLE]["relu"]
    assert not used[STYLE]["silu"]
    assert not words_used(layer(parent), parent)[NEUTRAL]["owl"]


def test_words_are_found_in_names_plurals_and_comments():
    """C3."""
    assert words_used(layer("x = 1  # two Owls_here"), "")[NEUTRAL]["owl"]
    assert words_used(layer("x = 1", name="Crimson gate"), "")[NEUTRAL]["crimson"]
    assert words_used(layer("x = 1", motivation="zanthil"), "", chosen=["Zanthil"])[
        "words of the team file"
    ] == {"zanthil": True}


def test_text_traits_measure_what_their_names_say():
    """C3."""
    parent = "a = 1\n"
    plain, busy = "b = 2\n", "if b:\n    for c in b:  # again and again\n        pass\n"
    first, second = (text_traits(layer(parent + own), parent) for own in (plain, busy))
    assert second[BRANCHES] > first[BRANCHES] == 0
    assert second[COMMENTS] > first[COMMENTS] == 0
    assert second[GROWTH] > first[GROWTH] > 0


def test_outcomes_tell_refusals_and_forgeries():
    assert outcome_traits([Outcome.PROBE_FAILED], is_probed=True) == {FORGED: 0.0, FAILED: 1.0}
    assert outcome_traits([Outcome.COMPLETED, Outcome.FORGED], is_probed=True)[FORGED] == 1.0
    assert FAILED not in outcome_traits([], is_probed=False)


def test_hostile_text_is_read_in_no_time():
    """C4."""
    nasty = layer("#" * 200_000 + "\n" + "if " * 60_000)
    begun = time.process_time()
    text_traits(nasty, "")
    words_used(nasty, "")
    assert time.process_time() - begun < 2.0
