"""Descriptions, edits and variation are pure, total and seeded.

D1 a description survives JSON; other text is a DescriptionError.
D2 `canonical` is total and idempotent; `check` accepts exactly its results.
D3 an edit is a pure function to a canonical, different description, or None.
D4 mutation and crossover are functions of their arguments and the generator.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from move37.core.errors import UnknownName
from move37.team.symbolic.canonical import canonical, check
from move37.team.symbolic.crossover import crossover, random_description
from move37.team.symbolic.description import (
    Convolution,
    Decay,
    Description,
    DescriptionError,
    Feature,
    Gate,
    Memory,
    Routing,
    expressions,
    from_json,
    to_json,
)
from move37.team.symbolic.edits import EDITS, applicable, edit_named
from move37.team.symbolic.elements import elements
from move37.team.symbolic.expressions import (
    MAX_DEPTH,
    MAX_LEAVES,
    Binary,
    Leaf,
    Unary,
    canonical_expr,
    depth,
    leaves,
)
from move37.team.symbolic.library import library_description, library_names
from move37.team.symbolic.variation import (
    SEVERAL,
    family,
    mutate,
    mutate_tree,
    random_expr,
    tune,
)
from move37.team.symbolic.words import MAX_TITLE, formulas, short_name, title

seeds = st.integers(0, 2**32 - 1)
descriptions = seeds.map(lambda seed: random_description(random.Random(seed)))
names = st.sampled_from(sorted(EDITS))
quick = settings(deadline=None, max_examples=60)


@quick
@given(descriptions)
def test_a_description_survives_json(description):
    """D1."""
    assert from_json(to_json(description)) == description


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "not json",
        '{"head": "same"}',
        '{"heads": "many"}',
        '{"firs": [64]}',
        '{"conv": {"q": 9}}',
        '{"memories": [{}, {}, {}]}',
        '{"n_writes": 0}',
        '{"output_gate": {"expr": {"of": "future"}}}',
        '{"output_gate": {"expr": {"apply": "exec", "to": {"of": "x"}}}}',
        '{"output_gate": {"expr": ' + '{"apply": "abs", "to": ' * 5000 + "1" + "}" * 5001 + "}",
    ],
)
def test_other_text_is_not_a_description(text):
    """D1."""
    with pytest.raises(DescriptionError, match="not a description of a mixer"):
        from_json(text)


def test_the_error_names_the_field():
    with pytest.raises(DescriptionError, match=re.escape("memories.0.update")):
        from_json('{"memories": [{"update": "hebbian"}]}')


@quick
@given(descriptions)
def test_canonical_is_idempotent(description):
    """D2."""
    assert canonical(description) == description
    assert check(description) is description


@quick
@given(seeds)
def test_canonical_is_total_on_any_well_typed_description(seed):
    """D2: parts of different descriptions thrown together."""
    rng = random.Random(seed)
    parts = [random_description(rng) for _ in range(3)]
    mixed = {
        name: json.loads(to_json(rng.choice(parts)))[name] for name in json.loads(to_json(parts[0]))
    }
    description = from_json(json.dumps(mixed))
    fixed = canonical(description)
    assert canonical(fixed) == fixed


def test_contradictions_are_resolved_towards_bounded_layers():
    """D2."""
    delta = canonical(Description(memories=(Memory(update="delta"),), normaliser=True))
    assert (delta.qk_norm, delta.normaliser) == ("l2", False)
    assert delta.memories[0].erase == Gate()
    assert canonical(Description()).output_norm == "rms"
    filtered = canonical(Description(memories=(), conv=Convolution(q=4, k=4)))
    assert (filtered.firs, filtered.conv) == ((4,), Convolution())
    assert canonical(Description(routing=Routing(kind="softmax"))).routing == Routing()
    tied = Memory(decay=Decay(kind="data", per="channel", tied_key=True))
    deaf = Description(memories=(tied,), output_gate=Gate(expr=Leaf(of="repeat")))
    gate = canonical(deaf).output_gate
    assert gate is not None
    assert gate.expr == Leaf(of="x")


def test_check_names_what_has_no_effect():
    """D2."""
    with pytest.raises(DescriptionError, match=r"routing = .*softmax.* means"):
        check(canonical_with_routing())


def canonical_with_routing() -> Description:
    return Description(output_norm="rms", routing=Routing(kind="softmax"))


@quick
@given(seeds)
def test_an_expression_in_fixed_form_keeps_within_bounds(seed):
    rng = random.Random(seed)
    expr = canonical_expr(random_expr(rng, levels=5))
    assert canonical_expr(expr) == expr
    assert len(list(leaves(expr))) <= MAX_LEAVES
    assert depth(expr) <= MAX_DEPTH


def test_operands_of_commutative_joins_have_one_order():
    x, change = Leaf(of="x"), Leaf(of="change")
    one = Binary(join="product", left=x, right=change)
    other = Binary(join="product", left=change, right=x)
    assert canonical_expr(one) == canonical_expr(other)
    assert canonical_expr(Binary(join="sum", left=x, right=x)) == x
    assert canonical_expr(Unary(apply="tanh", to=Unary(apply="tanh", to=x))) == Unary(
        apply="tanh", to=x
    )


@quick
@given(descriptions, names)
def test_an_edit_is_pure_and_total(description, name):
    """D3."""
    before = to_json(description)
    first, second = EDITS[name].apply(description), EDITS[name].apply(description)
    assert first == second
    assert to_json(description) == before
    if first is not None:
        assert first != description
        assert canonical(first) == first


def test_an_edit_does_what_its_name_says_or_nothing():
    """D3: what the canonical form would take back is not offered."""
    delta = library_description("deltanet")
    assert EDITS["decay:tied-key"].apply(delta) is None
    assert EDITS["norm:normaliser"].apply(delta) is None
    assert EDITS["update:two-tap"].apply(delta) is None
    assert EDITS["simplify:qk-norm"].apply(delta) is None
    assert EDITS["beta:negative-eigenvalues"].apply(library_description("rwkv7")) is None
    assert EDITS["keys:shared"].apply(library_description("hgrn2")) is None


@quick
@given(descriptions)
def test_an_edit_that_simplifies_does_not_add_paths_or_convolutions(description):
    for name, edit in EDITS.items():
        simpler = edit.apply(description) if edit.simplifies else None
        if simpler is not None:
            assert simpler.n_paths <= description.n_paths, name
            widths = (simpler.conv.q, simpler.conv.k, simpler.conv.v)
            assert sum(widths) <= sum((description.conv.q, description.conv.k, description.conv.v))


def test_every_edit_applies_somewhere_and_has_a_summary():
    pool = [random_description(random.Random(seed)) for seed in range(200)]
    for name, edit in EDITS.items():
        assert edit.name == name
        assert edit.summary
        assert edit.weight > 0
        assert any(edit.apply(d) is not None for d in pool), name


def test_an_unknown_edit_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'update:delta'"):
        edit_named("update:delt")


def test_gated_deltanet_is_reached_from_linear_attention_by_named_edits():
    """Best first over the catalogue, not along a path written here."""
    start, goal = library_description("linear_attention"), library_description("gated_deltanet")

    def distance(d: Description) -> int:
        return len(set(elements(d)) ^ set(elements(goal)))

    order = itertools.count()
    queue = [(distance(start), next(order), start, [""])]
    seen = {start}
    while queue:
        _, _, here, path = heapq.heappop(queue)
        if here == goal:
            assert 4 <= len(path) - 1 <= 7, path
            return
        for name, there in applicable(here).items():
            if there not in seen and len(path) < 8:
                seen.add(there)
                heapq.heappush(queue, (distance(there), next(order), there, [*path, name]))
    pytest.fail("gated_deltanet is out of reach")


@pytest.mark.parametrize("name", library_names())
def test_every_known_mixer_but_the_start_can_be_left_by_many_edits(name):
    assert len(applicable(library_description(name))) > 20


@quick
@given(descriptions, seeds, st.integers(1, 4))
def test_mutation_is_seeded_and_stays_canonical(description, seed, n_moves):
    """D4."""
    first = mutate(description, random.Random(seed), n_moves=n_moves)
    second = mutate(description, random.Random(seed), n_moves=n_moves)
    assert first == second
    assert canonical(first.description) == first.description
    assert 1 <= len(first.moves) == len(first.steps) <= n_moves
    assert first.steps[-1] == first.description
    assert len({description, *first.steps}) == len(first.steps) + 1
    families = [family(move) for move in first.moves]
    assert all(families.count(name) == 1 for name in set(families) - SEVERAL)


@quick
@given(descriptions, descriptions, seeds)
def test_crossover_is_seeded_and_differs_from_both(first, second, seed):
    """D4."""
    child = crossover(first, second, random.Random(seed))
    assert child == crossover(first, second, random.Random(seed))
    if child is not None:
        assert child.description not in (first, second)
        assert canonical(child.description) == child.description
        assert child.moves


def test_crossover_with_itself_gives_nothing():
    """D4."""
    for name in library_names():
        d = library_description(name)
        assert crossover(d, d, random.Random(0)) is None


def test_odds_move_the_draw():
    d = library_description("linear_attention")
    odds = {"shift:token": 1e9}
    moves = [mutate(d, random.Random(seed), odds=odds).moves[0] for seed in range(100)]
    named = [move for move in moves if ":" in move and not move.startswith(("tree", "tune"))]
    assert set(named) == {"shift:token"}


def test_trees_and_numbers_change_too():
    rng = random.Random(0)
    d = library_description("gated_deltanet")
    trees = {mutate_tree(d, rng) for _ in range(60)} - {None}
    assert {name for _, name in trees} == {f"tree:{place}" for place in expressions(d)}  # pyright: ignore[reportGeneralTypeIssues]  # None is taken out above
    tuned = {tune(d, rng) for _ in range(60)} - {None}
    assert len({name for _, name in tuned}) >= 4  # pyright: ignore[reportGeneralTypeIssues]  # as above
    assert mutate_tree(library_description("linear_attention"), rng) is None


def test_the_first_moves_from_linear_attention_favour_what_is_known_to_matter():
    """Reasonable odds, not a script: 35 to 75 % of single moves, and many different ones."""
    d = library_description("linear_attention")
    moves = [mutate(d, random.Random(seed)).moves[0] for seed in range(1500)]
    strong = {
        "update:delta",
        "conv:qkv-4",
        "decay:per-head",
        "decay:per-channel",
        "gate:output-swish",
        "norm:l2-qk",
    }
    assert 0.35 < sum(move in strong for move in moves) / len(moves) < 0.75
    assert len(set(moves)) > 50


@quick
@given(descriptions)
def test_words_are_short_and_free_of_brackets_that_do_not_close(description):
    assert len(title(description)) <= MAX_TITLE
    text = formulas(description)
    assert text.count("(") == text.count(")")
    assert max(map(len, text.splitlines())) <= 94
    assert re.fullmatch(r"[a-z0-9-]{6,60}", short_name(description))


def test_features_alone_need_no_element():
    assert "feature-elu1" in elements(Description(feature=Feature(map="elu1")))
    assert not any(e.startswith("feature") for e in elements(Description()))
