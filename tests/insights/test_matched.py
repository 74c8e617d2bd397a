"""Effects of design elements from matched relatives.

M1  A pair differs in one declared element only: child and parent, or two siblings.
M2  What is taken away counts for the element that went, with the sign turned.
M3  Families are the sample, not pairs; tests and intervals are those of scipy.
M4  Where no element does anything, few are called effects.
M5  Trainings of different length, and other tasks' noise, are never mixed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from scipy.stats import ttest_1samp
from told_campaigns import BASELINE, opening, searched, trial

from move37.core.candidate import Candidate, Element, Idea
from move37.core.events import Event, TrialFinished
from move37.core.trial import Stage, Trial, TrialSpec
from move37.insights.matched import Matched, MatchedPair, matched, rows_of
from move37.insights.paired import paired_effect, paired_p_value
from move37.insights.setting import read_setting
from move37.insights.story import tell

GRANDPARENT = trial(BASELINE, 1, 2.0, stage=Stage.SEARCH)


def child(parent: Candidate, *names: str) -> Candidate:
    elements = tuple(Element(name=name) for name in names)
    idea = Idea(name="-".join(names), motivation="", mechanism="", elements=elements)
    return Candidate.of(f"# {parent.id} {names!r}\n", idea, parents=(parent.id,))


def found(*events: Event) -> Matched:
    story = tell([*opening(), GRANDPARENT, *events])
    effects = matched(story, read_setting(story))
    assert effects is not None
    return effects


def test_a_child_with_one_element_is_paired_with_its_parent():
    """M1: `searched` gives a layer this many noise units over the baseline's 2.0 nats."""
    one, two = child(BASELINE, "bonus"), child(BASELINE, "token-shift", "conv-k-4")
    effects = found(*searched(one, 1.5), *searched(two, 4.0))
    (row,) = effects.elements
    assert (row.name, row.n_pairs, row.n_families) == ("bonus", 1, 1)
    assert row.effect.mean == pytest.approx(1.5)
    assert row.q_value is None  # one family is no sample
    assert [of.name for of in effects.classes] == ["bonus"]


def test_siblings_that_differ_in_one_element_are_paired():
    """M1: with the first sibling, bonus is worth 4.0 - 1.5; against the parent 1.0."""
    plain, more = child(BASELINE, "conv-k-4"), child(BASELINE, "bonus", "conv-k-4")
    effects = found(*searched(plain, 1.5), *searched(more, 4.0))
    assert (effects.n_pairs, effects.n_siblings) == (2, 1)
    rows = {row.name: row for row in effects.elements}
    assert rows["bonus"].effect.mean == pytest.approx(2.5)
    assert rows["conv-k-4"].effect.mean == pytest.approx(1.5)


def test_a_removal_counts_for_what_was_removed():
    """M2: a layer that is worse without its filter shows what the filter is worth."""
    effects = found(*searched(child(BASELINE, "without-filter-4"), -2.0))
    (row,) = effects.elements
    assert row.name == "filter-4"
    assert row.effect.mean == pytest.approx(2.0)
    assert [of.name for of in effects.classes] == ["long filter"]


def test_shorter_trainings_are_not_compared():
    """M5: the child stopped at the first rung."""
    one = child(BASELINE, "bonus")
    events = [_at_rung(e, 0) if isinstance(e, TrialFinished) else e for e in searched(one, 1.5)]
    assert found(*events).n_pairs == 0


def _at_rung(event: TrialFinished, rung: int) -> TrialFinished:
    old = event.trial
    spec = TrialSpec(
        candidate_id=old.spec.candidate_id, stage=old.spec.stage, rung=rung, seed=old.spec.seed
    )
    trial = Trial(spec=spec, outcome=old.outcome, measurement=old.measurement)
    return TrialFinished(index=event.index, trial=trial)


def pair(element: str, family: str, difference: float) -> MatchedPair:
    return MatchedPair(
        element=element, having="a", lacking="b", family=family, are_siblings=False,
        difference=difference, n_seeds=1,
    )  # fmt: skip


def by_element(pairs: Sequence[MatchedPair]):
    return {row.name: row for row in rows_of(pairs, lambda of: [of.element])}


def test_pairs_of_one_family_count_once():
    """M3: three pairs of one parent share its luck."""
    pairs = [pair("x", "p", 1.0), pair("x", "p", 3.0), pair("x", "q", 4.0), pair("x", "r", 3.0)]
    row = by_element(pairs)["x"]
    assert (row.n_pairs, row.n_families) == (4, 3)
    assert row.effect == paired_effect([2.0, 4.0, 3.0])
    _, expected = ttest_1samp([2.0, 4.0, 3.0], 0.0)
    assert row.p_value == pytest.approx(expected)


@pytest.mark.parametrize("differences", [[0.3, -1.0, 2.0, 0.9], [5.0, 5.1, 4.9], [-2.0, 1.0]])
def test_the_p_value_belongs_to_the_interval(differences):
    """M3: the interval leaves out 0 exactly where p is below 5 %."""
    effect, p = paired_effect(differences), paired_p_value(differences)
    _, expected = ttest_1samp(differences, 0.0)
    assert p == pytest.approx(expected)
    assert (p < 0.05) == (effect.low > 0 or effect.high < 0)


def test_without_any_effect_few_are_called_one():
    """M4: 60 campaigns of 12 elements; at 5 % at most a handful has a row below it."""
    draw = random.Random(5)
    n_false = 0
    for _ in range(60):
        pairs = [pair(f"e{k}", f"p{j}", draw.gauss(0, 1)) for k in range(12) for j in range(4)]
        rows = by_element(pairs).values()
        n_false += any(row.q_value is not None and row.q_value <= 0.05 for row in rows)
    assert n_false <= 8  # 95 % of the time, at a rate of 5 %


def test_a_strong_element_is_found_among_idle_ones():
    """M4."""
    draw = random.Random(6)
    pairs = [
        pair(f"e{k}", f"p{j}", draw.gauss(3.0 * (k == 0), 0.5)) for k in range(12) for j in range(5)
    ]
    first, *others = rows_of(pairs, lambda of: [of.element])
    assert first.name == "e0"
    assert first.q_value is not None
    assert first.q_value < 0.05
    assert first.effect.low < 3.0 < first.effect.high
    assert sum(row.q_value is not None and row.q_value < 0.05 for row in others) <= 1
