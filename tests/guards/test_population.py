"""A population whose students ask for teachers: what the firewall's own answers make of a defect.

P1  No edge that the firewall denies is in a plan with the firewall on; off, it would be.
P2  Without it the defect stays in its family over generations; with it, it is gone after one.
P3  Everybody may be taught by somebody, and all policies hear the same requests.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from move37.campaign.guard_tables import plot_population, print_population
from move37.guards.firewall import Edge, EdgeKind, decide
from move37.guards.population_lab import (
    AGENTS,
    FAMILY_OF,
    POLICIES,
    Arm,
    lab_roster,
    population,
    teachers,
)

BY_NAME = {policy.name: policy for policy in POLICIES}


def denied(name: str) -> int:
    """Edges of a plan that the firewall denies, decided anew."""
    plan, _ = teachers(BY_NAME[name], seed=3, n_seeds=5, n_generations=2)
    roster = lab_roster()
    edges = [
        Edge(producer=AGENTS[teacher], consumer=AGENTS[student], kind=EdgeKind.DISTILLATION)
        for generation in plan
        for student, by_seed in enumerate(generation)
        for teacher in by_seed
    ]
    assert len(edges) == 2 * len(AGENTS) * 5
    return sum(not decide(edge, roster).allowed for edge in edges)


def test_no_denied_edge_is_in_a_plan_with_the_firewall_on():
    """P1."""
    assert denied("on") == denied("on, anchors") == 0
    assert denied("off, own family first") == 2 * len(AGENTS) * 5
    assert denied("off, anybody") > 0


def test_who_is_refused_asks_the_next_one_in_the_same_order():
    """P3: where the first choice was allowed, the firewall changes nothing."""
    free = BY_NAME["off, anybody"]
    guarded = type(free)(name="on, anybody", firewall=True, own_first=False)
    off, _ = teachers(free, seed=4, n_seeds=6, n_generations=2)
    on, decisions = teachers(guarded, seed=4, n_seeds=6, n_generations=2)
    for before, after in zip(off, on, strict=True):
        for student, (first, second) in enumerate(zip(before, after, strict=True)):
            for asked, taught in zip(first, second, strict=True):
                is_kin = FAMILY_OF[asked] == FAMILY_OF[student]
                assert (taught != asked) is is_kin
    assert {d.allowed for d in decisions} == {True, False}


@pytest.fixture(scope="module")
def arms() -> dict[str, Arm]:
    names = ("off, own family first", "on", "on, anchors")
    policies = [BY_NAME[name] for name in names]
    found = population(seed=0, n_seeds=2, n_generations=2, policies=policies)
    return {arm.policy.name: arm for arm in found}


def test_without_the_firewall_the_defect_stays_in_its_family(arms):
    """P2: and ordinary accuracy is blind to it."""
    before, *later = arms["off, own family first"].generations
    assert before.defect >= 0.9
    assert all(g.defect >= 0.6 for g in later)
    assert all(g.defect_others <= 0.1 for g in later)
    assert all(g.accuracy >= before.accuracy - 0.03 for g in later)


def test_with_the_firewall_it_is_gone(arms):
    """P2: ability is kept with honest digits beside."""
    for name in ("on", "on, anchors"):
        _, *later = arms[name].generations
        assert all(max(g.defect, g.defect_others) <= 0.25 for g in later)
        assert arms[name].n_refused > 0
    assert arms["on, anchors"].generations[-1].accuracy >= 0.9
    assert arms["on, anchors"].generations[-1].carriers == 0


def test_the_population_prints_and_draws(arms, tmp_path: Path):
    console = Console(record=True, width=160)
    print_population(list(arms.values()), console)
    plot_population(list(arms.values()), tmp_path / "population.png")
    said = console.export_text()
    assert "off, own family first" in said
    assert "generation 2" in said
    assert (tmp_path / "population.png").stat().st_size > 1000
