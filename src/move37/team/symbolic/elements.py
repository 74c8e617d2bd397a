"""Design elements of a description: short stable names that lessons give credit to.

Two descriptions that differ in something a person would name differ in their elements. Finer
differences (a bias, a rank) have an element only where they are large.
"""

from __future__ import annotations

from collections.abc import Iterator

from move37.team.symbolic.description import (
    Decay,
    Description,
    Gate,
    Memory,
    expressions,
    suffix,
)
from move37.team.symbolic.expressions import Leaf, statistics

LARGE_BIAS = 1.5


def elements(description: Description) -> tuple[str, ...]:
    """Return the names of all design elements, sorted."""
    d = description
    found = {*_sizes(d), *_keys(d), *_paths(d), *_listening(d)}
    for number, memory in enumerate(d.memories):
        found.update(name + suffix(number) for name in _memory(memory))
    if d.output_gate is not None:
        found.update(_gate("output-gate", d.output_gate))
    return tuple(sorted(found))


def _sizes(d: Description) -> Iterator[str]:
    for name in ("heads", "key_size", "value_size"):
        size = getattr(d, name)
        if size != "same":
            yield f"{name.replace('_', '-')}-{size}"
    if d.shared_keys:
        yield "shared-keys"
    if d.n_writes > 1:
        yield f"writes-{d.n_writes}"
    for part in ("q", "k", "v"):
        width = getattr(d.conv, part)
        if width:
            yield f"conv-{part}-{width}"
    if d.conv.activation is None:
        yield "conv-linear"
    if d.shift:
        yield "token-shift"


def _keys(d: Description) -> Iterator[str]:
    if d.feature.map != "identity":
        yield f"feature-{d.feature.map}"
    if d.feature.temperature:
        yield "feature-temperature"
    if d.qk_norm != "none":
        yield f"{d.qk_norm}-keys"
    if d.normaliser:
        yield "normaliser"
    if d.key_bias:
        yield "key-bias"
    if d.rotary != "none":
        yield f"rotation-{d.rotary}"
    if d.output_norm != "none":
        yield "output-norm"


def _memory(memory: Memory) -> Iterator[str]:
    yield f"{memory.update}-update"
    yield from _decay(memory.decay)
    for role in ("erase", "write", "read"):
        gate: Gate | None = getattr(memory, role)
        if gate is not None:
            yield from _gate(f"{role}-gate", gate)
    for name in ("erase_first", "two_tap", "dt_write", "initial"):
        if getattr(memory, name):
            yield name.replace("_", "-")


def _decay(decay: Decay) -> Iterator[str]:
    if decay.kind == "none":
        return
    yield f"decay-{decay.kind}-{decay.per}"
    if decay.kind == "data":
        yield f"decay-{decay.form}"
    if decay.rank:
        yield "decay-low-rank"
    if decay.tied_key:
        yield "tied-key"


def _gate(name: str, gate: Gate) -> Iterator[str]:
    yield f"{name}-{gate.range}-{gate.per}"
    if gate.rank:
        yield f"{name}-low-rank"
    if abs(gate.bias) >= LARGE_BIAS:
        yield f"{name}-starts-{'open' if gate.bias > 0 else 'shut'}"


def _paths(d: Description) -> Iterator[str]:
    for taps in d.firs:
        yield f"filter-{taps}"
    if d.identity:
        yield "identity-path"
    if d.bonus:
        yield "bonus"
    if d.routing.kind != "sum":
        yield f"route-{d.routing.kind}"
    if d.routing.temperature:
        yield "route-temperature"
    if d.routing.floor:
        yield "route-floor"


def _listening(d: Description) -> Iterator[str]:
    for place, expr in expressions(d).items():
        for statistic in statistics(expr) - {"x"}:
            yield f"{place}-hears-{statistic}"
        if not isinstance(expr, Leaf):
            yield f"{place}-tree"
