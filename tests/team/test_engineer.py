"""The symbolic Engineer.

E1 a repair is another layer than the broken one, its parent, and everything tried before.
E2 a repair removes the likely cause.
E3 no repair is invented where there is nothing to reason about.
"""

from __future__ import annotations

import pytest
from rendered_mixers import build, described, drawn, inputs

from move37.core.candidate import Candidate, Idea
from move37.core.trial import Outcome, ProbeReport, ProbeVerdict
from move37.team.protocols import Breakage, Engineer
from move37.team.symbolic.canonical import canonical, check
from move37.team.symbolic.description import Description, Memory, from_json
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.engineer import SymbolicEngineer
from move37.team.symbolic.library import library_description

engineer: Engineer = SymbolicEngineer()
BREAKING = [o for o in Outcome if o not in (Outcome.COMPLETED, Outcome.FORGED)]


def breakage(description: Description, outcome: Outcome, reason: str = "", **fields) -> Breakage:
    return Breakage(
        candidate=described(description).candidate, outcome=outcome, reason=reason, seed=0, **fields
    )


def repaired(case: Breakage) -> Description:
    candidate = engineer.repair(case)
    assert candidate is not None
    return check(from_json(candidate.idea.description))


@pytest.mark.parametrize("outcome", BREAKING)
def test_a_repair_is_never_what_was_there_before(outcome):
    """E1: three repairs in a row, all different; never the parent."""
    for seed in range(0, 40, 3):
        parent = described(library_description("linear_attention")).candidate
        broken = drawn(seed)
        known = {described(broken).candidate.id, parent.id}
        for _ in range(3):
            case = breakage(broken, outcome, "", parent=parent, known_ids=frozenset(known))
            candidate = engineer.repair(case)
            if candidate is None:
                break
            assert candidate.id not in known
            assert candidate.parents == (case.candidate.id,)
            assert outcome.value in candidate.idea.motivation
            known.add(candidate.id)


def test_a_repair_runs():
    for seed in range(0, 30, 2):
        description = repaired(breakage(drawn(seed), Outcome.OUT_OF_TIME))
        y_BTD, _ = build(description)(inputs(1, 5))
        assert y_BTD.isfinite().all()


def test_divergence_is_answered_by_bounding():
    """E2."""
    loose = canonical(Description(memories=(Memory(),), qk_norm="none"))
    assert repaired(breakage(loose, Outcome.DIVERGED, "loss is NaN")).qk_norm == "l2"
    flipping = EDITS["beta:negative-eigenvalues"].apply(library_description("deltanet"))
    assert flipping is not None
    erase = repaired(breakage(flipping, Outcome.DIVERGED)).memories[0].erase
    assert erase is not None
    assert erase.range == "unit"


def test_the_time_limit_is_answered_by_fewer_writes_first():
    """E2."""
    assert (
        repaired(breakage(library_description("delta_product"), Outcome.OUT_OF_TIME)).n_writes == 1
    )


def test_a_mixer_too_large_for_the_model_gets_narrower():
    """E2."""
    wide = library_description("mamba2")
    reason = "the mixer needs at most 9000 parameters per layer"
    assert repaired(breakage(wide, Outcome.CRASHED, reason)).value_size == "same"


def test_an_unknown_crash_undoes_one_change_of_several():
    """E2: the parent's convolution comes back, the new gate stays, or the other way round."""
    parent = library_description("deltanet")
    first = EDITS["gate:output-swish"].apply(parent)
    assert first is not None
    broken = EDITS["simplify:conv"].apply(first)
    assert broken is not None
    case = breakage(broken, Outcome.CRASHED, "index", parent=described(parent).candidate)
    fixed = repaired(case)
    assert fixed not in (broken, parent)
    assert (fixed.conv == parent.conv) != (fixed.output_gate == parent.output_gate)


def test_a_failed_probe_removes_its_suspect():
    """E2: the probe's name says what to look at."""
    rotating = library_description("retnet")
    verdicts = (
        ProbeVerdict(name="causality", passed=True),
        ProbeVerdict(name="streaming", passed=False, breach=0.3, limit=1e-6),
    )
    report = ProbeReport(outcome=Outcome.PROBE_FAILED, verdicts=verdicts)
    assert repaired(breakage(rotating, Outcome.PROBE_FAILED, probe=report)).rotary == "none"


def test_elements_that_stay_keep_their_origin():
    candidate = engineer.repair(breakage(library_description("delta_product"), Outcome.OUT_OF_TIME))
    assert candidate is not None
    assert "without-writes-2" in {element.name for element in candidate.idea.elements}


@pytest.mark.parametrize("outcome", [Outcome.FORGED, Outcome.COMPLETED])
def test_what_is_not_broken_or_not_honest_is_not_repaired(outcome):
    """E3."""
    assert engineer.repair(breakage(library_description("gla"), outcome)) is None


def test_free_code_is_not_repaired():
    """E3."""
    candidate = Candidate.of("x = 1\n", Idea(name="mine", motivation="", mechanism=""))
    case = Breakage(candidate=candidate, outcome=Outcome.CRASHED, reason="x", seed=0)
    assert engineer.repair(case) is None
