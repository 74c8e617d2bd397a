"""Random variation of descriptions: mutation, crossover, free draws. All of it seeded.

Named edits carry the literature; the variations here also reach what has no name: odd widths,
ranks, biases, expression trees.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from move37.team.symbolic.canonical import canonical
from move37.team.symbolic.changes import with_expression
from move37.team.symbolic.description import Description, Gate, expressions
from move37.team.symbolic.edits import EDITS
from move37.team.symbolic.expressions import (
    BINARY,
    STATISTICS,
    UNARY,
    Binary,
    Expr,
    Leaf,
    Unary,
)

TREE_SHARE = 0.08  # assumed: unnamed moves explore, most of them change little
TUNE_SHARE = 0.07  # assumed
SEVERAL = frozenset({"path", "listen", "norm", "tune", "simplify", "keys"})
"""Families of moves that go together."""
TREE_FAMILIES = {"erase": "beta", "output": "gate"}
"""Place of an expression -> family of the edits that would replace it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variation:
    """A changed description and the moves that led to it."""

    description: Description
    moves: tuple[str, ...]
    """Names of edits, or `tree:place`, `tune:field`, `take:trait`."""
    steps: tuple[Description, ...]
    """The description after each move; the last is `description`."""


def mutate(
    description: Description,
    rng: random.Random,
    *,
    n_moves: int = 1,
    odds: Mapping[str, float] | None = None,
    may_simplify: bool = True,
) -> Variation:
    """Return the description after up to `n_moves` random moves, one after the other.

    Args:
        description: in canonical form.
        rng: the only source of chance.
        n_moves: at least 1; at most one of a family (`decay:...`), so that none undoes another.
        odds: edit name -> factor on its prior weight (1 where missing).
        may_simplify: whether edits that only take away may be drawn.
    """
    changed, moves, steps = description, [], []
    for _ in range(n_moves):
        used = {family(move) for move in moves} - SEVERAL
        move = _draw_move(changed, rng, odds or {}, used, may_simplify=may_simplify)
        if move is not None and move[0] not in (description, *steps):
            changed, name = move
            moves.append(name)
            steps.append(changed)
    return Variation(description=changed, moves=tuple(moves), steps=tuple(steps))


def family(move: str) -> str:
    """Return what a move is about: the part before the colon, for trees the part they grow at."""
    kind, _, rest = move.partition(":")
    return TREE_FAMILIES.get(rest.rstrip("2"), rest) if kind == "tree" else kind


def _draw_move(
    d: Description,
    rng: random.Random,
    odds: Mapping[str, float],
    used: set[str],
    *,
    may_simplify: bool,
) -> tuple[Description, str] | None:
    dice = rng.random()
    grown = mutate_tree(d, rng) if dice < TREE_SHARE else None
    if grown is not None and family(grown[1]) not in used:
        return grown
    if TREE_SHARE <= dice < TREE_SHARE + TUNE_SHARE and (tuned := tune(d, rng)) is not None:
        return tuned
    weights = {
        name: edit.weight * odds.get(name, 1.0)
        for name, edit in EDITS.items()
        if family(name) not in used and (may_simplify or not edit.simplifies)
    }
    while weights:  # drawing again without what does not apply is drawing among what does
        (name,) = rng.choices(list(weights), list(weights.values()))
        changed = EDITS[name].apply(d)
        if changed is not None:
            return changed, name
        del weights[name]
    return None


def mutate_tree(d: Description, rng: random.Random) -> tuple[Description, str] | None:
    """Change one gate's expression at random; None if nothing changed or there is no gate."""
    trees = expressions(d)
    if not trees:
        return None
    place = rng.choice(sorted(trees))
    changed = canonical(with_expression(d, place, _varied(trees[place], rng)))
    return None if changed == d else (changed, f"tree:{place}")


def _varied(expr: Expr, rng: random.Random) -> Expr:
    """Wrap, join, prune or replace one node on a random way down."""
    if not isinstance(expr, Leaf) and rng.random() < 0.5:
        return _varied_below(expr, rng)
    match rng.choice(("wrap", "join", "replace", "prune")):
        case "wrap":
            return Unary(apply=rng.choice(UNARY), to=expr)
        case "join":
            return Binary(join=rng.choice(BINARY), left=expr, right=random_expr(rng, levels=1))
        case "prune" if isinstance(expr, Unary):
            return expr.to
        case "prune" if isinstance(expr, Binary):
            return rng.choice((expr.left, expr.right))
        case _:
            return random_expr(rng, levels=2)


def _varied_below(expr: Unary | Binary, rng: random.Random) -> Expr:
    if isinstance(expr, Unary):
        return replace(expr, to=_varied(expr.to, rng))
    if rng.random() < 0.5:
        return replace(expr, left=_varied(expr.left, rng))
    return replace(expr, right=_varied(expr.right, rng))


def random_expr(rng: random.Random, *, levels: int) -> Expr:
    """Return a random tree of at most `levels` levels of inner nodes."""
    if levels == 0 or rng.random() < 0.4:
        return Leaf(of=rng.choice(STATISTICS))
    if rng.random() < 0.4:
        return Unary(apply=rng.choice(UNARY), to=random_expr(rng, levels=levels - 1))
    return Binary(
        join=rng.choice(BINARY),
        left=random_expr(rng, levels=levels - 1),
        right=random_expr(rng, levels=levels - 1),
    )


def tune(d: Description, rng: random.Random) -> tuple[Description, str] | None:
    """Change one number a little; None if the description has none or nothing changed."""
    options = dict(_tunings(d, rng))
    if not options:
        return None
    name = rng.choice(sorted(options))
    changed = canonical(options[name]())
    return None if changed == d else (changed, f"tune:{name}")


def _tunings(d: Description, rng: random.Random) -> Iterator[tuple[str, Callable[[], Description]]]:
    """Yield each number that can be changed and how."""
    for part in ("q", "k", "v"):
        width = getattr(d.conv, part)
        if width:
            wider = min(8, max(2, width + rng.choice((-1, 1, 2))))
            yield f"conv-{part}", lambda p=part, w=wider: replace(d, conv=replace(d.conv, **{p: w}))
    for number, taps in enumerate(d.firs):
        wider = min(31, max(2, round(taps * rng.choice((0.5, 0.75, 1.5, 2.0)))))
        firs = (*d.firs[:number], wider, *d.firs[number + 1 :])
        yield f"fir-{number}", lambda f=firs: replace(d, firs=f)
    for number, memory in enumerate(d.memories):
        for role in ("erase", "write", "read"):
            gate: Gate | None = getattr(memory, role)
            if gate is not None:
                tuned = replace(memory, **{role: _tuned_gate(gate, rng)})
                memories = (*d.memories[:number], tuned, *d.memories[number + 1 :])
                yield f"{role}-{number}", lambda m=memories: replace(d, memories=m)
    if d.output_gate is not None:
        gate = _tuned_gate(d.output_gate, rng)
        yield "output", lambda: replace(d, output_gate=gate)
    if d.routing.kind == "softmax":
        floor = rng.choice((0.0, 0.01, 0.02, 0.05, 0.1))
        yield "floor", lambda: replace(d, routing=replace(d.routing, floor=floor))


def _tuned_gate(gate: Gate, rng: random.Random) -> Gate:
    if gate.per == "channel" and rng.random() < 0.4:
        return replace(gate, rank=rng.choice((0, 4, 8, 16, 32)))
    return replace(gate, bias=gate.bias + rng.choice((-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)))
