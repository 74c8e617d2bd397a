"""The lineage that the report draws."""

from __future__ import annotations

import dataclasses

import told_campaigns as campaigns

from move37.core.candidate import Candidate
from move37.insights.ancestry import MAX_SHOWN, ancestors
from move37.insights.story import tell


def line(n: int) -> list[Candidate]:
    """A chain of n candidates below the baseline."""
    chain: list[Candidate] = []
    for k in range(n):
        parent = chain[-1].id if chain else campaigns.BASELINE.id
        chain.append(campaigns.layer(f"c{k}", parent))
    return chain


def shown(candidates: list[Candidate], best: Candidate) -> list[set[str]]:
    events = campaigns.opening()
    for candidate in candidates:
        events += campaigns.searched(candidate, 0.0)
    records = tell(events).records
    lineage = ancestors(records, records[best.id])
    return [{r.name for r in lineage.rows[k]} for k in sorted(lineage.rows)]


def test_every_ancestor_stands_above_all_its_descendants():
    a, b = line(2)
    child = campaigns.layer("child", b.id, a.id)
    assert shown([a, b, child], child) == [{"child"}, {"c1"}, {"c0"}, {"linear_attention"}]


def test_a_long_line_shows_the_nearest_ancestors():
    chain = line(40)
    rows = shown(chain, chain[-1])
    assert rows[0] == {"c39"}
    assert len(rows) == MAX_SHOWN


def test_a_circle_of_parents_does_not_hang():
    a, b = line(2)
    a = dataclasses.replace(a, parents=(b.id,))
    assert {name for row in shown([a, b], b) for name in row} == {"c0", "c1"}
