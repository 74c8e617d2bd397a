"""Deduction grids: who lives where and has what, from clues with exactly one solution.

Every grid is checked by the solver here: its clues leave one arrangement, and without any one of
the needed clues there are several. Harder grids carry true clues that are not needed, too.

N people (houses), A attributes, P = N! arrangements of one attribute.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from move37.guards.probes.probe import Form, Probe, ask, rng_of

KIND = "grids"
SIZES = ((3, 2), (3, 3), (4, 3), (4, 4), (5, 4))
"""People and attributes by dial."""
N_SPARE = (0, 1, 2, 3, 4)
"""By dial: true clues beside those that are needed."""
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "name": ("Ada", "Ben", "Cleo", "Dag", "Eva"),
    "drink": ("tea", "milk", "cocoa", "juice", "water"),
    "pet": ("cat", "dog", "owl", "newt", "hare"),
    "colour": ("red", "blue", "green", "white", "black"),
}


class Relation(StrEnum):
    """What a clue says of two values' houses, or of one value's."""

    AT = "at"
    SAME = "same"
    NOT_SAME = "not same"
    LEFT = "directly left"
    NEXT = "next"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clue:
    """One sentence: a relation between values, each an attribute and a place in its list."""

    relation: Relation
    one: tuple[int, int]
    other: tuple[int, int] = (-1, -1)
    house: int = -1

    def holds(self, house_AN: Sequence[Sequence[int]]) -> bool:
        """Return whether it is true where house_AN[a][v] is the house of value v of attribute a."""
        here = house_AN[self.one[0]][self.one[1]]
        if self.relation is Relation.AT:
            return here == self.house
        there = house_AN[self.other[0]][self.other[1]]
        match self.relation:
            case Relation.SAME:
                return here == there
            case Relation.NOT_SAME:
                return here != there
            case Relation.LEFT:
                return there - here == 1
        return abs(here - there) == 1


def grid(*, seed: int, number: int, dial: int) -> Probe:
    """Return a grid with one solution, and a question about one cell of it."""
    rng = rng_of(KIND, seed=seed, number=number, dial=dial)
    n, n_attributes = SIZES[dial]
    names = sorted(ATTRIBUTES)[:]
    rng.shuffle(names)
    names = names[:n_attributes]
    values = [rng.sample(ATTRIBUTES[name], n) for name in names]
    truth = [rng.sample(range(n), n) for _ in names]
    needed, spare = clues_for(truth, rng=rng)
    shown = [*needed, *rng.sample(spare, min(N_SPARE[dial], len(spare)))]
    rng.shuffle(shown)
    asked, house = rng.randrange(n_attributes), rng.randrange(n)
    listed = [f"- {name}: {', '.join(sorted(v))}" for name, v in zip(names, values, strict=True)]
    text = "\n".join(
        (
            f"{n} houses stand in a row, numbered 1 to {n} from left to right.",
            "One person lives in each. Every value below belongs to exactly one house:",
            *listed,
            "",
            *(f"{i}. {words(clue, values)}" for i, clue in enumerate(shown, start=1)),
            "",
            f"Which {names[asked]} belongs to house {house + 1}?",
        )
    )
    answer = values[asked][truth[asked].index(house)]
    return Probe(
        id=f"{KIND}/{seed}/{number}/{dial}",
        kind=KIND,
        dial=dial,
        variant=f"{n} x {n_attributes}",
        prompt=ask(text, f"<one of: {', '.join(sorted(values[asked]))}>"),
        form=Form.CHOICE,
        answer=answer,
        choices=tuple(sorted(values[asked])),
        chance=1 / n,
    )


def words(clue: Clue, values: Sequence[Sequence[str]]) -> str:
    """Return a clue as a sentence."""
    one = values[clue.one[0]][clue.one[1]]
    if clue.relation is Relation.AT:
        return f"The house of {one} is number {clue.house + 1}."
    other = values[clue.other[0]][clue.other[1]]
    return {
        Relation.SAME: f"{one} and {other} belong to the same house.",
        Relation.NOT_SAME: f"{one} and {other} belong to different houses.",
        Relation.LEFT: f"The house of {one} is directly left of the house of {other}.",
        Relation.NEXT: f"The house of {one} is next to the house of {other}.",
    }[clue.relation]


def clues_for(
    truth: Sequence[Sequence[int]], *, rng: random.Random
) -> tuple[list[Clue], list[Clue]]:
    """Return clues that leave only the truth, none to spare; and other true ones."""
    true = true_clues(truth)
    rng.shuffle(true)
    shape = (len(truth[0]), len(truth))
    # direct statements make a grid trivial: they come last
    true.sort(key=lambda clue: clue.relation is Relation.AT)
    few, enough = 0, len(true)
    while enough - few > 1:  # the more clues, the fewer solutions
        middle = (few + enough) // 2
        few, enough = (few, middle) if n_solutions(true[:middle], shape) == 1 else (middle, enough)
    needed = true[:enough]
    for clue in list(needed):
        fewer = [c for c in needed if c is not clue]
        if n_solutions(fewer, shape) == 1:
            needed = fewer
    return needed, [c for c in true if c not in needed and c.relation is not Relation.AT]


def true_clues(truth: Sequence[Sequence[int]]) -> list[Clue]:
    """Return every true clue about an arrangement."""
    n = len(truth[0])
    cells = [(a, v) for a in range(len(truth)) for v in range(n)]
    single = [Clue(relation=Relation.AT, one=c, house=truth[c[0]][c[1]]) for c in cells]
    pairs = [
        Clue(relation=relation, one=one, other=other)
        for one, other in itertools.permutations(cells, 2)
        if one[0] != other[0]
        for relation in (Relation.SAME, Relation.NOT_SAME, Relation.LEFT, Relation.NEXT)
        if one < other or relation is Relation.LEFT
    ]
    return [clue for clue in (*single, *pairs) if clue.holds(truth)]


def n_solutions(clues: Sequence[Clue], shape: tuple[int, int]) -> int:
    """Return how many arrangements the clues leave.

    Attributes are joined one after the other, by which arrangements of each pair go together.
    """
    n, n_attributes = shape
    orders_PN = np.array(list(itertools.permutations(range(n))), dtype=np.int8)
    open_AP = np.ones((n_attributes, len(orders_PN)), dtype=bool)
    for clue in clues:
        if clue.relation is Relation.AT:
            open_AP[clue.one[0]] &= orders_PN[:, clue.one[1]] == clue.house
    kept = [orders_PN[open_P] for open_P in open_AP]
    if min(map(len, kept)) == 0:
        return 0
    fits = {
        (a, b): _fit(clues, (a, b), kept) for a, b in itertools.combinations(range(n_attributes), 2)
    }
    return _joined(fits, [np.arange(len(k)) for k in kept], first=0)


Array = NDArray[np.bool_]


def _fit(clues: Sequence[Clue], pair: tuple[int, int], kept: Sequence[NDArray[np.int8]]) -> Array:
    """Return which arrangements of two attributes agree with the clues about both."""
    a, b = pair
    fit_PP = np.ones((len(kept[a]), len(kept[b])), dtype=bool)
    for clue in clues:
        if {clue.one[0], clue.other[0]} == {a, b}:
            here, there = kept[clue.one[0]][:, clue.one[1]], kept[clue.other[0]][:, clue.other[1]]
            holds = _HOLDS[clue.relation](here[:, None], there[None, :])
            fit_PP &= holds if clue.one[0] == a else holds.T
    return fit_PP


_HOLDS: dict[Relation, Callable[[NDArray[np.int8], NDArray[np.int8]], Array]] = {
    Relation.SAME: lambda here, there: here == there,
    Relation.NOT_SAME: lambda here, there: here != there,
    Relation.LEFT: lambda here, there: there - here == 1,
    Relation.NEXT: lambda here, there: np.abs(here - there) == 1,
}


def _joined(
    fits: dict[tuple[int, int], Array], open_: list[NDArray[np.intp]], *, first: int
) -> int:
    """Count the ways to choose one arrangement for each attribute from `first` on."""
    if first == len(open_) - 1:
        return len(open_[first])
    if first == len(open_) - 2:
        return int(fits[first, first + 1][np.ix_(open_[first], open_[first + 1])].sum())
    total = 0
    for choice in open_[first]:
        left = [
            rows if a <= first else rows[fits[first, a][choice, rows]]
            for a, rows in enumerate(open_)
        ]
        if all(len(rows) for rows in left[first + 1 :]):
            total += _joined(fits, left, first=first + 1)
    return total
