"""The parts of fitness count as configured.

X1  With weight 0 a judge's quality changes nothing; with weight 1 a better one is a better fitness.
X2  Without one of the other two parts fitness is the other.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import tiny

from move37.campaign import results, rules
from move37.campaign.assemble import RunFolder, open_workshop


@pytest.mark.parametrize(("weight", "counts"), [(0.0, False), (1.0, True)])
def test_quality_counts_as_much_as_its_weight(finished_run, weight, counts):
    """X1."""
    with open_workshop(tiny(), RunFolder(path=finished_run)) as workshop:
        config = workshop.config
        evidence = config.evidence.model_copy(update={"judge_weight": weight})
        weighted = replace(workshop, config=config.model_copy(update={"evidence": evidence}))
        state = weighted.ledger.state()
        found = (results.final_comparison(weighted, state, id_) for id_ in state.candidates)
        comparison = next(c for c in found if c is not None)
        low, high = (rules.fitness_of(weighted, state, comparison, q).value for q in (0.1, 0.9))
    assert (high > low) == counts
    assert counts or high == low


@pytest.mark.parametrize(("part", "other"), [("effect", "task"), ("task", "effect")])
def test_each_part_counts_as_much_as_its_weight(finished_run, part, other):
    """X2."""
    with open_workshop(tiny(), RunFolder(path=finished_run)) as workshop:
        config = workshop.config
        evidence = config.evidence.model_copy(update={f"{other}_weight": 0.0})
        weighted = replace(workshop, config=config.model_copy(update={"evidence": evidence}))
        state = weighted.ledger.state()
        found = (results.final_comparison(weighted, state, id_) for id_ in state.candidates)
        comparison = next(c for c in found if c is not None)
        fitness = rules.fitness_of(weighted, state, comparison, None)
    assert fitness.value == pytest.approx(getattr(fitness, f"{part}_part"))
