"""Novelty by behaviour: after the probes, before training is paid.

N1  The same function from the same start is the same idea, and is told what became of it.
N2  The same function from other initial values is another idea.
N3  What failed its probes stands in nobody's way.
N4  Behaviours that are kept ready for a campaign answer as a comparison with everyone would.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from move37.core.claims import Verdict, VerdictKind
from move37.core.events import CandidateProposed, ProbesRan, RootAdded, VerdictReached
from move37.core.trial import Outcome, ProbeReport
from move37.memory.behaviours import Behaviours
from move37.memory.novelty import (
    SAME_BEHAVIOUR,
    behavioural_distance,
    nearest_behaviour,
    starts_alike,
)
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
    found = nearest_behaviour(NEW, REPORT, told(REPORT), Behaviours())
    assert (found.is_novel, found.id, found.distance) == (False, OLD.id, 0.0)
    assert "computes the same function" in found.reason
    assert "loss 1e9 at step 3" in found.reason


@pytest.mark.parametrize(("role", "is_repeat"), [("root", True), ("reference", False)])
def test_a_known_layer_that_only_stands_beside_may_be_found_again(role, is_repeat):
    """N1."""
    state = fold([
        RootAdded(candidate=OLD, role=role), ProbesRan(index=-1, candidate_id=OLD.id, report=REPORT)
    ])  # fmt: skip
    assert nearest_behaviour(NEW, REPORT, state, Behaviours()).is_novel is not is_repeat


def test_random_starts_of_one_distribution_are_alike():
    """N1."""
    other = replace(REPORT, start=((256.0, -0.004, 0.131), (16.0, 2.0, 0.0)))
    assert not nearest_behaviour(NEW, other, told(REPORT), Behaviours()).is_novel


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
    found = nearest_behaviour(NEW, other, told(REPORT), Behaviours())
    assert found.is_novel
    assert "from other initial values" in found.reason


def test_another_function_is_new_and_its_nearest_is_named():
    other = replace(REPORT, fingerprint=(0.5, -1.25, 3.1))
    found = nearest_behaviour(NEW, other, told(REPORT), Behaviours())
    assert found.is_novel
    assert 0 < found.distance < 0.1
    assert found.id == OLD.id


def test_what_failed_its_probes_stands_in_nobodys_way():
    """N3: it computed the same and could not stream; whoever can is new."""
    failed = replace(REPORT, outcome=Outcome.PROBE_FAILED)
    assert nearest_behaviour(NEW, REPORT, told(failed), Behaviours()).is_novel


def many(n: int) -> tuple[State, dict[str, ProbeReport]]:
    """Roots and `n` candidates: twins, near twins, of two lengths, huge, not finite, unprobed."""
    rng = np.random.default_rng(4)
    events: list = [RootAdded(candidate=candidate("root"), role="root")]
    reports: dict[str, ProbeReport] = {}
    drawn = [tuple(map(float, row)) for row in rng.standard_normal((n, 6))]
    for k in range(n):
        made = candidate(f"candidate {k}", candidate("root").id)
        row = drawn[int(rng.integers(0, k + 1))]
        nudge = float(rng.choice([0.0, 1e-9, 0.9e-6, 1e-3]))
        row = tuple(x * (1 + nudge) for x in row)[: int(rng.choice([6, 6, 5]))]
        row = {3: (1e200, *row[1:]), 5: (float("inf"), *row[1:]), 7: (), 9: (0.0,) * 6}.get(k, row)
        reports[made.id] = replace(REPORT, fingerprint=row)
        events.append(CandidateProposed(index=k, candidate=made, operator="propose"))
        if k % 11:
            events.append(ProbesRan(index=k, candidate_id=made.id, report=reports[made.id]))
    return fold(events), reports


def test_behaviours_kept_ready_answer_as_a_comparison_with_everyone():
    """N4: steps side by side see pasts of several lengths, in any order; and another arm's."""
    n = 300
    state, reports = many(n)
    kept = Behaviours()
    pasts = [state.before(k) for k in (40, 38, 200, 150, n)]
    for past in (*pasts, state.only(lambda k: k % 2 == 0), state):
        probed = [e for e in past.candidates.values() if e.probes]
        for id_ in list(reports)[::9]:
            report = reports[id_]
            asked = next(e.candidate for e in state.candidates.values() if e.id == id_)
            found = nearest_behaviour(asked, report, past, kept)
            apart = [
                (behavioural_distance(report.fingerprint, e.probes.fingerprint), k)
                for k, e in enumerate(probed)
                if e.probes and e.id != id_
            ]
            smallest, place = min(apart, default=(1.0, 0))
            twins = [k for distance, k in apart if distance <= SAME_BEHAVIOUR]
            if twins:
                assert (found.is_novel, found.id) == (False, probed[twins[0]].id)
            else:
                assert found.distance == smallest
                assert found.id == (probed[place].id if smallest < 1.0 else "")
