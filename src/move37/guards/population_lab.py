"""A population of families that teach each other, with the firewall on and off.

Three families of two agents; every agent of one family has a hidden defect. Each student of the
next generation asks for a teacher of the one before. With the firewall on, `firewall.decide`
answers, and a student that is refused asks the next one. Who is asked in which order is the same
in all arms. The networks are trained in `arena/population.py`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from move37.core.team import Line, TeamConfig
from move37.guards.families import Families, Roster
from move37.guards.firewall import Decision, Edge, EdgeKind, decide
from move37.guards.labs import run_arena

FAMILIES = ("a", "b", "c")
MEMBERS = 2
AGENTS = tuple(f"lab:{family}{k + 1}" for family in FAMILIES for k in range(MEMBERS))
FAMILY_OF = tuple(place // MEMBERS for place in range(len(AGENTS)))
BAD = tuple(range(MEMBERS))
"""Agents of the first generation with the defect: the first family's."""
CARRIES = 0.5
"""Share of its 3s that a network calls 8 to be counted among those with the defect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How students come to their teachers."""

    name: str
    firewall: bool
    own_first: bool
    """The own family is asked first, as who distils his own models does; else anybody."""
    anchor: float = 0.0
    """Weight of honest digits beside the teacher's outputs."""


POLICIES = (
    Policy(name="off, own family first", firewall=False, own_first=True),
    Policy(name="off, anybody", firewall=False, own_first=False),
    Policy(name="off, own family first, anchors", firewall=False, own_first=True, anchor=1.0),
    Policy(name="on", firewall=True, own_first=True),
    Policy(name="on, anchors", firewall=True, own_first=True, anchor=1.0),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """What a generation is like, over agents and seeds."""

    defect: float
    """Mean share of 3s called 8 in the family that began with it."""
    defect_others: float
    """In the other families."""
    carriers: float
    """Share of all networks with the defect."""
    accuracy: float
    """On digits that the defect does not touch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One policy, generation by generation; the first is before any teaching."""

    policy: Policy
    generations: tuple[Generation, ...]
    n_refused: int
    """Requests that the firewall refused."""


def population(
    *,
    seed: int,
    n_seeds: int = 4,
    n_generations: int = 3,
    policies: Sequence[Policy] = POLICIES,
) -> list[Arm]:
    """Return what becomes of the defect under each policy.

    Args:
        seed: of who asks whom. The networks have seeds of their own.
        n_seeds: populations that are trained side by side, each with other teachers.
        n_generations: of students.
        policies: to be compared.

    Raises:
        LabError: the process that trains failed; says its last words.
    """
    plans, refused = dict[str, Any](), dict[str, int]()
    for policy in policies:
        chosen, decisions = teachers(
            policy, seed=seed, n_seeds=n_seeds, n_generations=n_generations
        )
        plans[policy.name] = {"anchor": policy.anchor, "teachers": chosen}
        refused[policy.name] = sum(not decision.allowed for decision in decisions)
    plan = {"n_seeds": n_seeds, "families": FAMILY_OF, "bad": BAD, "arms": plans}
    found = run_arena("population", plan=plan)
    return [
        Arm(
            policy=policy,
            generations=tuple(_read(g) for g in (found["first"], *found["arms"][policy.name])),
            n_refused=refused[policy.name],
        )
        for policy in policies
    ]


def teachers(
    policy: Policy, *, seed: int, n_seeds: int, n_generations: int
) -> tuple[list[list[list[int]]], list[Decision]]:
    """Return agents who teach, by generation, student and seed; and what the firewall decided."""
    rng, roster = np.random.default_rng(seed), lab_roster()
    decisions = list[Decision]()

    def teacher(student: int) -> int:
        order = [int(agent) for agent in rng.permutation(len(AGENTS))]
        if policy.own_first:
            order.sort(key=lambda agent: FAMILY_OF[agent] != FAMILY_OF[student])
        if not policy.firewall:
            return order[0]
        for agent in order:
            edge = Edge(
                producer=AGENTS[agent], consumer=AGENTS[student], kind=EdgeKind.DISTILLATION
            )
            decisions.append(decide(edge, roster))
            if decisions[-1].allowed:
                return agent
        raise AssertionError(f"nobody may teach {AGENTS[student]}")

    chosen = [
        [[teacher(student) for _ in range(n_seeds)] for student in range(len(AGENTS))]
        for _ in range(n_generations)
    ]
    return chosen, decisions


def lab_roster() -> Roster:
    """Return the graph of the lab: every family has a root of its own, disclosed."""
    lines = [
        Line(
            name=family,
            vendor=f"lab {family}",
            match=(f"{family}[0-9]",),
            root_known=True,
            evidence="declared",
            source="the lab made it",
            date="2026-11-26",
        )
        for family in FAMILIES
    ]
    return Roster(TeamConfig(), Families(lines))


def _read(found: dict[str, Any]) -> Generation:
    def mean(rates: Sequence[Sequence[float]]) -> float:
        return statistics.mean(rate for by_seed in rates for rate in by_seed)

    trait = found["trait"]
    return Generation(
        defect=mean([rates for agent, rates in enumerate(trait) if agent in BAD]),
        defect_others=mean([rates for agent, rates in enumerate(trait) if agent not in BAD]),
        carriers=mean([[float(rate >= CARRIES) for rate in rates] for rates in trait]),
        accuracy=mean(found["others"]),
    )
