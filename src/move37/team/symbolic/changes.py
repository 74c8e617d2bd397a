"""Changes of descriptions that edits are made of: each returns a pure function.

Results need not be in canonical form; `Edit.apply` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from move37.team.symbolic.description import (
    POSITIVE_MAPS,
    Decay,
    Description,
    Feature,
    Gate,
    Memory,
    expressions,
    suffix,
)
from move37.team.symbolic.expressions import (
    LINEAR,
    Binary,
    Expr,
    Leaf,
    Statistic,
    canonical_expr,
    fits,
)

Change: TypeAlias = Callable[[Description], Description]


def set_fields(**fields: Any) -> Change:
    """Return a change of top fields."""
    return lambda d: replace(d, **fields)


def set_memory(**fields: Any) -> Change:
    """Change the first memory; a layer without memory gets one."""

    def change(d: Description) -> Description:
        first, *rest = d.memories or (Memory(),)
        return replace(d, memories=(replace(first, **fields), *rest))

    return change


def change_memories(change_memory: Callable[[Memory], Memory]) -> Change:
    """Return a change of every memory alike."""
    return lambda d: replace(d, memories=tuple(change_memory(m) for m in d.memories))


def set_decay(**fields: Any) -> Change:
    """Change the first memory's decay, which becomes data-dependent unless said otherwise."""

    def change(d: Description) -> Description:
        first, *rest = d.memories or (Memory(),)
        decay = replace(first.decay, **({"kind": "data"} | fields))
        return replace(d, memories=(replace(first, decay=decay), *rest))

    return change


def set_gate(role: str, **fields: Any) -> Change:
    """Change a gate of the first memory, which is added if it is missing."""

    def change(d: Description) -> Description:
        if not d.memories:
            return d
        first, *rest = d.memories
        if role == "erase" and first.update != "delta":
            return d
        gate = replace(getattr(first, role) or Gate(), **fields)
        return replace(d, memories=(replace(first, **{role: gate}), *rest))

    return change


def set_output_gate(**fields: Any) -> Change:
    """Change the output gate, which is added if it is missing."""
    return lambda d: replace(d, output_gate=replace(d.output_gate or Gate(), **fields))


def set_feature(**fields: Any) -> Change:
    """Return a change of the feature map."""
    return lambda d: replace(d, feature=replace(d.feature, **fields))


def set_conv(**fields: Any) -> Change:
    """Return a change of the convolutions."""
    return lambda d: replace(d, conv=replace(d.conv, **fields))


def set_routing(**fields: Any) -> Change:
    """Return a change of the routing, paths as they are."""
    return lambda d: replace(d, routing=replace(d.routing, **fields))


def to_delta(d: Description) -> Description:
    """Turn additive memories into delta rules; keys become free unit vectors.

    Positive features go: unit keys in one orthant are never orthogonal, so erasing one erases all.
    """
    memories = tuple(
        replace(m, update="delta", erase=m.erase or Gate()) for m in d.memories or (Memory(),)
    )
    feature = Feature() if d.feature.map in POSITIVE_MAPS else d.feature
    return replace(d, memories=memories, feature=feature, qk_norm="l2", output_norm="rms")


def add_memory(**decay: Any) -> Change:
    """Add a second memory like the first but for its decay."""

    def change(d: Description) -> Description:
        if len(d.memories) != 1:
            return d
        first = d.memories[0]
        second = replace(first, decay=Decay(**decay))
        return d if second == first else replace(d, memories=(first, second))

    return change


def add_fir(taps: int) -> Change:
    """Add a filter path; two at most, of different widths."""

    def change(d: Description) -> Description:
        if len(d.firs) == 2 or taps in d.firs:
            return d
        return replace(d, firs=tuple(sorted((*d.firs, taps))))

    return change


def route_by(kind: str, **fields: Any) -> Change:
    """Route existing paths; a layer with one path gets a short filter beside it."""

    def change(d: Description) -> Description:
        firs = d.firs if d.n_paths > 1 else (4,)
        return replace(d, firs=firs, routing=replace(d.routing, kind=kind, **fields))

    return change


def listen(place: str, statistic: Statistic) -> Change:
    """Return the change that adds a statistic to the expression at a place."""

    def change(d: Description) -> Description:
        expr = expressions(d).get(place)
        if expr is None:
            return d
        wider = Binary(join="sum", left=expr, right=Leaf(of=statistic))
        return with_expression(d, place, canonical_expr(wider)) if fits(wider) else d

    return change


def with_expression(d: Description, place: str, expr: Expr) -> Description:
    """Return the description with another expression at a place of `expressions`."""
    if place == "route":
        return replace(d, routing=replace(d.routing, expr=expr))
    if place == "output":
        return replace(d, output_gate=replace(d.output_gate or Gate(), expr=expr))
    memories = list(d.memories)
    for number, memory in enumerate(memories):
        for role in ("decay", "erase", "write", "read"):
            if place == role + suffix(number):
                part = replace(getattr(memory, role), expr=expr)
                memories[number] = replace(memory, **{role: part})
    return replace(d, memories=tuple(memories))


def widen_conv(step: int) -> Change:
    """Widen all existing convolutions, within 2 to 8 positions."""

    def widen(width: int) -> int:
        return min(8, max(2, width + step)) if width else 0

    return lambda d: replace(
        d, conv=replace(d.conv, q=widen(d.conv.q), k=widen(d.conv.k), v=widen(d.conv.v))
    )


def plain_gates(d: Description) -> Description:
    """Let every gate listen to the input only."""
    for place in expressions(d):
        d = with_expression(d, place, LINEAR)
    return d
