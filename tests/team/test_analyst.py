"""The symbolic Analyst.

A1 credits are shares of measured differences: to what was gained, against what was lost.
A2 far relatives, free code and unmeasured candidates say nothing.
A3 a lesson states the numbers and hides no failure.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_mixers import described, drawn, effect

from move37.core.candidate import Candidate, Idea, Prediction
from move37.core.claims import Effect
from move37.core.trial import Outcome
from move37.team.protocols import Analyst, KnownCandidate, Study
from move37.team.symbolic.analyst import SymbolicAnalyst, prediction_held, quasi_ablation
from move37.team.symbolic.description import Description
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.elements import elements
from move37.team.symbolic.library import library_description

analyst: Analyst = SymbolicAnalyst()
PARENT = library_description("deltanet")


def edited(description: Description, name: str) -> Description:
    changed = EDITS[name].apply(description)
    assert changed is not None
    return changed


SHIFTED = edited(PARENT, "shift:token")


def measured(description, mean: float, **fields) -> KnownCandidate:
    return described(description, combined=effect(mean), **fields)


def test_one_element_gets_the_whole_difference():
    """A1."""
    assert quasi_ablation(measured(SHIFTED, 1.5), [measured(PARENT, 0.5)]) == {"token-shift": 1.0}
    assert quasi_ablation(measured(PARENT, 0.5), [measured(SHIFTED, 1.5)]) == {"token-shift": 1.0}


def test_several_elements_share():
    """A1: three convolutions came together."""
    bare = edited(PARENT, "simplify:conv")
    earned = quasi_ablation(measured(PARENT, 0.9), [measured(bare, 0.0)])
    assert earned == {"conv-k-4": 0.3, "conv-q-4": 0.3, "conv-v-4": 0.3}


def test_sure_comparisons_weigh_more():
    """A1: inverse variance."""
    sure = measured(PARENT, 0.0)
    other = edited(SHIFTED, "gate:output-swish")
    vague = replace(
        measured(other, 0.0),
        combined=Effect(mean=-4.0, low=-math.inf, high=math.inf, n_pairs=1),
    )
    earned = quasi_ablation(measured(SHIFTED, 1.0), [sure, vague])
    assert earned["token-shift"] == pytest.approx(1.0, abs=0.05)
    assert "output-gate-silu-channel" in earned


def test_far_relatives_free_code_and_the_unmeasured_say_nothing():
    """A2."""
    subject = measured(SHIFTED, 1.0)
    far = measured(library_description("rwkv7"), 0.0)
    free = KnownCandidate(
        candidate=Candidate.of("x = 1\n", Idea(name="mine", motivation="", mechanism="")),
        combined=effect(0.0),
    )
    assert quasi_ablation(subject, [far, free, described(PARENT)]) == {}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 400), st.lists(st.floats(-5, 5), min_size=2, max_size=5))
def test_credits_do_not_depend_on_the_order_of_relatives(seed, means):
    """A1."""
    subject = measured(drawn(seed), 1.0)
    others = [measured(drawn(seed + i + 1), mean) for i, mean in enumerate(means)]
    assert quasi_ablation(subject, others) == pytest.approx(quasi_ablation(subject, others[::-1]))


def test_a_lesson_states_effect_parent_siblings_tasks_and_weakness():
    """A3."""
    tasks = {"recall": effect(2.0), "state_tracking": effect(-1.0)}
    subject = measured(SHIFTED, 0.5, name="child", effects=tasks)
    study = Study(
        subject=subject,
        parent=measured(PARENT, 0.1, name="parent"),
        siblings=(measured(drawn(3), 0.0), measured(drawn(5), 0.9)),
        baseline="linear_attention",
    )
    lesson = analyst.explain(study)
    assert "child: effect +0.50 [+0.30, +0.70] noise over linear_attention." in lesson.text
    assert "Against its parent parent +0.40 (clearly better)." in lesson.text
    assert "Better than 1 of 2 siblings." in lesson.text
    assert "recall +2.00 [+1.80, +2.20], state_tracking -1.00" in lesson.text
    assert "Weakest on state tracking" in lesson.text
    assert lesson.credits["token-shift"] == pytest.approx(0.4)


def test_a_difference_within_noise_is_called_so():
    """A3."""
    lesson = analyst.explain(
        Study(subject=measured(SHIFTED, 0.2), parent=measured(PARENT, 0.1, name="p"))
    )
    assert "within noise better" in lesson.text


def test_a_failure_is_told_and_charged_to_what_is_new():
    """A3."""
    subject = described(SHIFTED, outcome=Outcome.DIVERGED, reason="loss is NaN at step 50")
    lesson = analyst.explain(Study(subject=subject, parent=described(PARENT)))
    assert "diverged: loss is NaN at step 50" in lesson.text
    assert lesson.credits == {"token-shift": -1.0}
    assert lesson.prediction_held is None


def test_what_was_never_measured_is_charged_nothing():
    """A2."""
    lesson = analyst.explain(Study(subject=described(SHIFTED), parent=described(PARENT)))
    assert lesson.credits == {}
    assert "never measured" in lesson.text


@pytest.mark.parametrize(
    ("predicted", "held"),
    [
        ((1.0, 1.0), True),
        ((1.0, -1.0), False),
        ((-1.0, -1.0), False),
        ((0.0, 1.0), True),
        ((), None),
    ],
)
def test_a_prediction_holds_when_most_signs_come_true(predicted, held):
    subject = described(SHIFTED, effects={"a": effect(0.5), "b": effect(2.0)}, combined=effect(1.0))
    predictions = tuple(
        Prediction(task=task, effect=value) for task, value in zip("ab", predicted, strict=False)
    )
    idea = replace(subject.candidate.idea, predictions=predictions)
    subject = replace(subject, candidate=replace(subject.candidate, idea=idea))
    assert prediction_held(subject) is held


def test_elements_of_parent_and_child_differ_as_the_edit_says():
    assert set(elements(SHIFTED)) - set(elements(PARENT)) == {"token-shift"}
