"""From a candidate back to its description."""

from __future__ import annotations

import ast

from move37.core.candidate import Candidate
from move37.core.parsing import parse
from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.description import Description, from_json
from move37.team.symbolic.elements import elements
from move37.team.symbolic.library import LIBRARY, library_description, library_names
from move37.team.symbolic.render import render

KERNELS = "move37.arena.kernels"
ENOUGH_ALIKE = 0.5  # assumed: half of the kernels of either layer are shared


def own_description(candidate: Candidate) -> Description | None:
    """Return the description a candidate carries or is known by; None for free code.

    Raises:
        DescriptionError: the candidate carries text that is not a description.
    """
    if candidate.idea.description:
        return canonical(from_json(candidate.idea.description))
    is_known = candidate.author == "reference" and candidate.idea.name in LIBRARY
    return library_description(candidate.idea.name) if is_known else None


def nearest_description(candidate: Candidate) -> tuple[str, Description] | None:
    """Return name and description of the library mixer that uses the most alike kernels.

    The plainest of several that are equally alike. None when nothing is: free code with kernels of
    its own, or none at all.
    """
    used = kernels_of(candidate.source)
    if not used:
        return None
    shared = {name: _overlap(used, _library_kernels(name)) for name in library_names()}
    best = max(sorted(shared), key=lambda name: (shared[name], -len(_elements(name))))
    return (best, library_description(best)) if shared[best] >= ENOUGH_ALIKE else None


def kernels_of(source: str) -> frozenset[str]:
    """Return the kernels a source imports; empty if it does not parse."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == KERNELS
        for alias in node.names
    )


def _elements(name: str) -> tuple[str, ...]:
    return elements(library_description(name))


def _library_kernels(name: str) -> frozenset[str]:
    return kernels_of(render(library_description(name)))


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second)
