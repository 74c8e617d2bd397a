"""What selection sees of a State: who may be a parent, and how each operator has fared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from move37.core.claims import VerdictKind
from move37.core.events import ParentsChosen
from move37.memory.lineage import Lineage
from move37.memory.state import Entry, State

N_ISLANDS = 4
EVERYWHERE = -1
"""The island of roots."""

MOST_PULLS = 400  # of older ones 0.95**400, a billionth, would count
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
    """One choice of an arm (a kind of step, a model) and what came of it."""

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


def pulls(
    state: State, arm: Callable[[ParentsChosen], str], *, most: int = MOST_PULLS
) -> tuple[Pull, ...]:
    """List the last finished choices of an arm, oldest first; 1 where it beat its first parent.

    An index that brought no candidate, or one without a fitness (rejected, crashed, a repeat,
    dropped on the way), earned 0. Against a parent without a fitness (an unmeasured root) nothing
    can be said, and the index is left out.

    Args:
        state: what is known.
        arm: what was chosen there; empty: nothing, the index is left out.
        most: how many of the newest choices.
    """
    chosen = {
        index: arm(event)
        for index, opening in state.openings.items()
        for event in opening
        if isinstance(event, ParentsChosen) and arm(event) and index in state.finished
    }
    newest = sorted(chosen)[-most:]
    proposed = {e.index: e for e in state.entries.values() if e.role == "proposed"}
    found = []
    for index in newest:
        reward = _reward(state, proposed.get(index))
        if reward is not None:
            found.append(Pull(arm=chosen[index], reward=reward))
    return tuple(found)


def _reward(state: State, entry: Entry | None) -> float | None:
    if entry is None or entry.fitness is None:
        return 0.0
    parent = state.find(next(iter(entry.candidate.parents), ""))
    if parent is None or parent.fitness is None:
        return None
    return float(entry.fitness.value > parent.fitness.value)


def _may_be_parent(entry: Entry) -> bool:
    if entry.verdict is not None and entry.verdict.kind in UNFIT:
        return False
    return entry.role == "root" or (entry.index >= 0 and entry.fitness is not None)


def _task_effects(entry: Entry) -> dict[str, float]:
    effects = entry.search_verdict.task_effects if entry.search_verdict else None
    return {task: effect.mean for task, effect in (effects or {}).items()}
