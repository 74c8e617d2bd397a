"""What selection sees of a State: who may be a parent, and how each operator has fared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from move37.core.claims import VerdictKind
from move37.memory.lineage import Lineage
from move37.memory.state import Entry, State

N_ISLANDS = 4
EVERYWHERE = -1
"""The island of roots."""

UNFIT = frozenset({VerdictKind.REJECTED, VerdictKind.REFUTED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A possible parent, in numbers."""

    id: str
    index: int
    """Place in the campaign; -1 for a root."""
    fitness: float | None
    """None for a root that was not measured."""
    n_seeds: int = 0
    """Completed seeds the fitness rests on."""
    task_effects: Mapping[str, float] = field(default_factory=dict)
    n_children: int = 0
    island: int = EVERYWHERE


@dataclass(frozen=True, kw_only=True, slots=True)
class Pull:
    """One use of an operator and what came of it."""

    arm: str
    reward: float
    """In [0, 1]."""


def contenders(state: State, *, n_islands: int = N_ISLANDS) -> tuple[Contender, ...]:
    """List who may be a parent: roots, and measured candidates that were not rejected or refuted.

    Candidate n lives on island n mod `n_islands`, and so was made from that island's candidates.
    """
    lineage = Lineage(state.parents)
    return tuple(
        Contender(
            id=entry.id,
            index=entry.index,
            fitness=entry.fitness.value if entry.fitness else None,
            n_seeds=entry.n_seeds,
            task_effects=_task_effects(entry),
            n_children=len(lineage.children(entry.id)),
            island=EVERYWHERE if entry.index < 0 else entry.index % n_islands,
        )
        for entry in state.candidates.values()
        if _may_be_parent(entry)
    )


def operator_pulls(state: State) -> tuple[Pull, ...]:
    """List each finished proposal's operator; the reward is 1 where it beat its first parent.

    A proposal without a fitness (rejected, crashed, a repeat) earned 0. Against a parent without a
    fitness (an unmeasured root) nothing can be said, and the proposal is left out.
    """
    pulls = []
    for entry in sorted(state.entries.values(), key=lambda entry: entry.index):
        if entry.role != "proposed" or entry.verdict is None:
            continue
        parent = state.candidates.get(next(iter(entry.candidate.parents), ""))
        if entry.fitness is None:
            pulls.append(Pull(arm=entry.operator, reward=0.0))
        elif parent is not None and parent.fitness is not None:
            better = entry.fitness.value > parent.fitness.value
            pulls.append(Pull(arm=entry.operator, reward=float(better)))
    return tuple(pulls)


def _may_be_parent(entry: Entry) -> bool:
    if entry.verdict is not None and entry.verdict.kind in UNFIT:
        return False
    return entry.role == "root" or (entry.index >= 0 and entry.fitness is not None)


def _task_effects(entry: Entry) -> dict[str, float]:
    effects = entry.search_verdict.task_effects if entry.search_verdict else None
    return {task: effect.mean for task, effect in (effects or {}).items()}
