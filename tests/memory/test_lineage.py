"""Who came from whom.

Invariant G1: against a plain recursive reference on any forest with crossovers.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from move37.memory.lineage import Lineage


@st.composite
def forests(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Candidate i has up to two parents among those before it."""
    n = draw(st.integers(1, 12))
    forest: dict[str, tuple[str, ...]] = {}
    for i in range(n):
        before = st.sampled_from([str(j) for j in range(i)]) if i else st.nothing()
        forest[str(i)] = tuple(draw(st.lists(before, max_size=2))) if i else ()
    return forest


def ancestors(forest: dict[str, tuple[str, ...]], id_: str) -> set[str]:
    return {a for p in forest.get(id_, ()) for a in {p, *ancestors(forest, p)}}


@settings(deadline=None, max_examples=80)
@given(forests())
def test_relations_equal_the_plain_reference(forest):
    """G1."""
    lineage = Lineage(forest)
    assert set(lineage.roots) == {id_ for id_, parents in forest.items() if not parents}
    for id_, parents in forest.items():
        assert set(lineage.ancestors(id_)) == ancestors(forest, id_)
        assert set(lineage.children(id_)) == {c for c, of in forest.items() if id_ in of}
        assert set(lineage.descendants(id_)) == {c for c in forest if id_ in ancestors(forest, c)}
        shared = {c for c, of in forest.items() if set(of) & set(parents)} - {id_}
        assert set(lineage.siblings(id_)) == shared
        assert lineage.depth(id_) == (1 + lineage.depth(parents[0]) if parents else 0)


def test_the_nearest_come_first():
    lineage = Lineage({"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d", "a")})
    assert lineage.ancestors("e") == ("d", "a", "b", "c")
    assert lineage.line("e") == ("e", "d", "b", "a")
    assert lineage.depth("e") == 3
    assert lineage.siblings("b") == ("c", "e")
    assert lineage.descendants("b") == ("d", "e")


def test_a_parent_that_is_not_recorded_is_a_root():
    lineage = Lineage({"b": ("file.py",)})
    assert lineage.roots == ("file.py",)
    assert lineage.children("file.py") == ("b",)
    assert lineage.depth("b") == 1


def test_nobody_descends_from_itself_and_a_circle_does_not_hang():
    lineage = Lineage({"a": ("a",), "b": ("c",), "c": ("b",)})
    assert lineage.parents("a") == ()
    assert lineage.children("a") == ()
    assert lineage.ancestors("b") == ("c",)
    assert lineage.line("b") == ("b", "c")


def test_a_line_of_thousands_is_followed():
    n = 20_000
    lineage = Lineage({str(i): (str(i - 1),) if i else () for i in range(n)})
    assert lineage.depth(str(n - 1)) == n - 1
    assert len(lineage.ancestors(str(n - 1))) == n - 1
