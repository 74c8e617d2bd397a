"""The nearest normal form, found without comparing with everyone.

L1  Distance and who is at it are those of a comparison with each known one.
L2  Who is not known (in flight, of another campaign) is not found.
"""

from __future__ import annotations

import numpy as np
import pytest

from move37.memory.forms import distance
from move37.memory.likeness import Likeness
from move37.memory.syntax.canonical import SKETCH, NormalForm

N = 3_000


def forms(seed: int) -> list[NormalForm]:
    """Mutants of mutants: long and short, a part of each in all, some the same."""
    rng = np.random.default_rng(seed)
    common = rng.integers(0, 2**32, 150).tolist()
    made = [NormalForm(digest="empty", sketch=())]
    for k in range(N):
        grams = set(made[rng.integers(max(0, k - 40), k + 1)].sketch)
        n_kept = int(len(grams) * rng.choice([0.2, 0.7, 0.95, 1.0]))
        kept = rng.permutation(sorted(grams))[:n_kept].tolist()
        new = rng.integers(0, 2**32, rng.choice([0, 3, 100])).tolist()
        shared = common[: rng.choice([0, 20, 150])]
        sketch = tuple(sorted({*kept, *new, *shared})[:SKETCH])
        digest = f"{hash(sketch)}" if k % 3 else f"{k % 7}"  # one digest, several sketches
        made.append(NormalForm(digest=digest, sketch=sketch))
    return made


def at_smallest(form: NormalForm, known: dict[str, NormalForm]) -> tuple[float, set[str]]:
    apart = {name: distance(form, other) for name, other in known.items()}
    smallest = min(apart.values(), default=1.0)
    return smallest, {n for n, d in apart.items() if d == smallest < 1.0}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_nearest_are_those_of_a_comparison_with_everyone(seed):
    """L1, L2."""
    made, found = forms(seed), Likeness()
    names = {str(found.add(str(k), form)): form for k, form in enumerate(made)}
    assert [found.at(int(name)) for name in names] == made
    everyone, others = list(names), forms(seed + 1)
    for known, asked in (
        (everyone, [*others[40:900:400], *made[1:N:1_200]]),
        (everyone[:400], others[2:40:6]),
        (everyone[::31], [*others[1:90:7], *made[5:90:7]]),
        ([], others[7:8]),
    ):
        visible = {name: names[name] for name in known}
        for form in asked:
            if form.sketch:
                assert found.nearest(form, visible) == at_smallest(form, visible)


def test_a_form_that_was_taken_back_from_its_place_is_the_same():
    form = NormalForm(digest="d", sketch=(0, 5, 2**32 - 1))
    found = Likeness()
    assert found.nearest(form, {}) == (1.0, set())
    assert found.at(found.add("a", form)) == form
    assert found.nearest(form, {"a"}) == (0.0, {"a"})
