"""Who came from whom: a forest whose crossovers have two parents. Built from `State.parents`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property


class Lineage:
    """Ancestors, children, siblings and depth of every candidate.

    A parent that is not itself in the mapping counts as a root. A candidate that names itself as
    its parent (an edit that changed nothing) does not descend from itself. Walks end even if a
    damaged record closes a circle.
    """

    def __init__(self, parents: Mapping[str, Iterable[str]]) -> None:
        self._parents = {
            child: tuple(dict.fromkeys(p for p in of if p != child))
            for child, of in parents.items()
        }

    def parents(self, id_: str) -> tuple[str, ...]:
        """Its parents; the first is the one it is compared with. Empty for a root."""
        return self._parents.get(id_, ())

    def children(self, id_: str) -> tuple[str, ...]:
        """Candidates made from it, alone or with another, in order of appearance."""
        return self._children.get(id_, ())

    def siblings(self, id_: str) -> tuple[str, ...]:
        """Other candidates that share a parent with it; those of its first parent first."""
        found = (c for parent in self.parents(id_) for c in self.children(parent) if c != id_)
        return tuple(dict.fromkeys(found))

    def ancestors(self, id_: str) -> tuple[str, ...]:
        """Everyone it came from, nearest first."""
        return _walk(id_, self.parents)

    def descendants(self, id_: str) -> tuple[str, ...]:
        """Everyone that came from it, nearest first."""
        return _walk(id_, self.children)

    def line(self, id_: str) -> tuple[str, ...]:
        """Its line of first parents, from itself to a root."""
        line = {id_: None}
        while (parents := self.parents(id_)) and parents[0] not in line:
            id_ = parents[0]
            line[id_] = None
        return tuple(line)

    def depth(self, id_: str) -> int:
        """Edits since a root along first parents; 0 for a root."""
        return len(self.line(id_)) - 1

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """Everyone without parents, in order of appearance."""
        everyone = dict.fromkeys([*self._parents, *self._children])
        return tuple(id_ for id_ in everyone if not self.parents(id_))

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        children: dict[str, list[str]] = {}
        for child, parents in self._parents.items():
            for parent in parents:
                children.setdefault(parent, []).append(child)
        return {parent: tuple(found) for parent, found in children.items()}


def _walk(start: str, step: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
    seen = {start: None}
    waiting = deque([start])
    while waiting:
        for next_ in step(waiting.popleft()):
            if next_ not in seen:
                seen[next_] = None
                waiting.append(next_)
    return tuple(seen)[1:]
