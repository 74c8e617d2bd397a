"""Novelty by behaviour: after the probes, before training is paid.

N1  The same function from the same start is the same idea, and is told what became of it.
N2  The same function from other initial values is another idea.
N3  What failed its probes stands in nobody's way.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from move37.core.claims import Verdict, VerdictKind
from move37.core.events import CandidateProposed, ProbesRan, RootAdded, VerdictReached
from move37.core.trial import Outcome, ProbeReport
from move37.memory.novelty import nearest_behaviour, starts_alike
from move37.memory.state import State, fold
from move37.testing.store_contract import candidate

REPORT = ProbeReport(
    outcome=Outcome.COMPLETED,
    fingerprint=(0.5, -1.25, 3.0),
    start=((256.0, 0.003, 0.125), (16.0, 2.0, 0.0)),
)
OLD, NEW = candidate("old", "root"), candidate("new", "root")


def told(report: ProbeReport) -> State:
    """A state in which `OLD` was probed and then diverged."""
    rejected = Verdict(kind=VerdictKind.REJECTED, reason="loss 1e9 at step 3")
    return fold(
        [
            RootAdded(candidate=candidate("root"), role="root"),
            CandidateProposed(index=0, candidate=OLD, operator="propose"),
            ProbesRan(index=0, candidate_id=OLD.id, report=report),
            VerdictReached(index=0, candidate_id=OLD.id, verdict=rejected),
        ]
    )


def test_the_same_function_is_answered_with_why_the_first_one_failed():
    """N1."""
    found = nearest_behaviour(NEW, REPORT, told(REPORT))
    assert (found.is_novel, found.id, found.distance) == (False, OLD.id, 0.0)
    assert "computes the same function" in found.reason
    assert "loss 1e9 at step 3" in found.reason


def test_random_starts_of_one_distribution_are_alike():
    """N1."""
    other = replace(REPORT, start=((256.0, -0.004, 0.131), (16.0, 2.0, 0.0)))
    assert not nearest_behaviour(NEW, other, told(REPORT)).is_novel


@pytest.mark.parametrize(
    "start",
    [
        ((256.0, 0.003, 0.125), (16.0, -2.0, 0.0)),
        ((256.0, 0.003, 0.5), (16.0, 2.0, 0.0)),
        ((128.0, 0.003, 0.125), (16.0, 2.0, 0.0)),
        ((256.0, 0.003, 0.125),),
        (),
    ],
)
def test_another_start_is_another_idea(start):
    """N2: another bias, another spread, another size, another number of parameters, unknown."""
    other = replace(REPORT, start=start)
    assert not starts_alike(REPORT, other)
    found = nearest_behaviour(NEW, other, told(REPORT))
    assert found.is_novel
    assert "from other initial values" in found.reason


def test_another_function_is_new_and_its_nearest_is_named():
    other = replace(REPORT, fingerprint=(0.5, -1.25, 3.1))
    found = nearest_behaviour(NEW, other, told(REPORT))
    assert found.is_novel
    assert 0 < found.distance < 0.1
    assert found.id == OLD.id


def test_what_failed_its_probes_stands_in_nobodys_way():
    """N3: it computed the same and could not stream; whoever can is new."""
    failed = replace(REPORT, outcome=Outcome.PROBE_FAILED)
    assert nearest_behaviour(NEW, REPORT, told(failed)).is_novel
