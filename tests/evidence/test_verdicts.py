"""Verdicts carry the numbers they rest on, and none is given while the evidence is incomplete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from move37.core.claims import Effect, RungChoice, RungDecision, VerdictKind
from move37.evidence.confirmation import ConfirmationRules, assess
from move37.evidence.effects import Comparison, effect_of
from move37.evidence.inputs import EvidenceError
from move37.evidence.verdicts import (
    after_confirmation,
    after_race,
    after_verification,
    rejected,
)

FRESH = {1000: 4.0, 1001: 5.0, 1002: 4.5, 1003: 3.8}
RULES = ConfirmationRules(seeds_min=4, seeds_max=4)


def comparison(differences: dict[int, float]) -> Comparison:
    effect = effect_of(differences)
    return Comparison(combined=effect, tasks={"text": effect}, differences=differences, missing=())


def decision(choice: RungChoice) -> RungDecision:
    return RungDecision(choice=choice, reason="because", probability=0.3)


def test_a_confirmed_verdict_can_be_checked_from_itself():
    confirmation = assess(list(FRESH.values()), level=0.03, rules=RULES)
    verdict = after_confirmation(confirmation, comparison(FRESH), baseline="base")
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.e_value is not None
    assert verdict.level is not None
    assert verdict.e_value >= 1 / verdict.level
    assert verdict.seeds == tuple(FRESH)
    assert verdict.baseline == "base"
    assert verdict.effect == effect_of(FRESH)
    assert verdict.task_effects == {"text": effect_of(FRESH)}


def test_a_failed_confirmation_leaves_the_candidate_explored_with_its_e_value():
    weak = {1000: 0.5, 1001: -0.2, 1002: 0.1, 1003: 0.4}
    confirmation = assess(list(weak.values()), level=0.03, rules=RULES)
    verdict = after_confirmation(confirmation, comparison(weak), baseline="base")
    assert verdict.kind is VerdictKind.EXPLORED
    assert verdict.reason.startswith("not confirmed: ")
    assert verdict.e_value == confirmation.e_value


@pytest.mark.parametrize("worth", [9.0, -9.0])
def test_tasks_that_were_held_back_are_shown_and_decide_nothing(worth: float):
    confirmation = assess(list(FRESH.values()), level=0.03, rules=RULES)
    alone = after_confirmation(confirmation, comparison(FRESH), baseline="base")
    effect = effect_of({seed: worth + x for seed, x in FRESH.items()})
    more = Comparison(combined=effect, tasks={"unseen": effect}, differences={}, missing=())
    beside = after_confirmation(confirmation, comparison(FRESH), baseline="base", held_back=more)
    assert beside.task_effects == {"text": effect_of(FRESH), "unseen (untrained)": effect}
    assert replace(beside, task_effects=alone.task_effects) == alone


def test_a_confirmation_without_any_pair_is_explored_without_an_effect():
    confirmation = assess([], level=0.03, rules=RULES, n_failed=2)
    verdict = after_confirmation(confirmation, None, baseline="base")
    assert (verdict.kind, verdict.effect, verdict.seeds) == (VerdictKind.EXPLORED, None, ())


def test_races_end_in_promoted_or_explored():
    seen = comparison({0: 1.0, 1: 2.0})
    promoted = after_race(decision(RungChoice.PROMOTE), seen, baseline="base")
    assert (promoted.kind, promoted.seeds) == (VerdictKind.PROMOTED, (0, 1))
    dropped = after_race(decision(RungChoice.DROP), None, baseline="base")
    assert (dropped.kind, dropped.reason) == (VerdictKind.EXPLORED, "because")
    assert promoted.e_value is None  # search effects are never evidence


def test_no_verdict_is_given_on_unfinished_business():
    with pytest.raises(EvidenceError):
        after_race(decision(RungChoice.GO_ON), comparison(FRESH), baseline="b")
    with pytest.raises(EvidenceError):
        after_race(decision(RungChoice.PROMOTE), None, baseline="b")
    unfinished = assess([1.0], level=0.03, rules=RULES)
    with pytest.raises(EvidenceError, match="another seed"):
        after_confirmation(unfinished, comparison({1000: 1.0}), baseline="b")


def test_a_confirmation_cannot_borrow_the_effect_of_other_seeds():
    confirmation = assess(list(FRESH.values()), level=0.03, rules=RULES)
    more = comparison({**FRESH, 0: 9.0})
    with pytest.raises(EvidenceError, match="same fresh seeds"):
        after_confirmation(confirmation, more, baseline="b")


@pytest.mark.parametrize(
    ("low", "high", "kind", "word"),
    [
        (0.1, 2.0, VerdictKind.VERIFIED, "above"),
        (-0.1, 2.0, VerdictKind.REFUTED, "not shown"),
        (-2.0, -0.1, VerdictKind.REFUTED, "below"),
    ],
)
def test_verification_needs_the_whole_interval(low, high, kind, word):
    effect = Effect(mean=(low + high) / 2, low=low, high=high, n_pairs=4)
    verdict = after_verification(replace(comparison(FRESH), combined=effect), baseline="b")
    assert verdict.kind is kind
    assert word in verdict.reason


@pytest.mark.parametrize(
    ("exam", "kind"),
    [
        ({1: 2.0, 2: 2.2, 3: 2.1}, VerdictKind.VERIFIED),
        ({1: 2.0, 2: -2.2, 3: 2.1}, VerdictKind.REFUTED),
    ],
)
def test_verification_needs_the_exam_too(exam, kind):
    verdict = after_verification(comparison(FRESH), exam=comparison(exam), baseline="b")
    assert verdict.kind is kind
    assert "exam tasks" in verdict.reason


@pytest.mark.parametrize("found", [comparison(FRESH), None])
def test_a_seed_that_did_not_complete_at_the_larger_scale_refutes(found):
    verdict = after_verification(found, baseline="b", n_failed=1)
    assert verdict.kind is VerdictKind.REFUTED
    assert "1 seeds did not complete" in verdict.reason


def test_a_rejection_names_its_probe_and_has_no_number():
    verdict = rejected("causality: breach 0.15", baseline="b")
    assert (verdict.kind, verdict.effect, verdict.e_value) == (VerdictKind.REJECTED, None, None)
    assert "causality" in verdict.reason
