"""One fixed form for every meaning: choices without effect are reset, contradictions resolved.

`canonical` is total (any well-typed description) and idempotent. What it forbids is what would make
a layer unbounded: a delta rule on keys of free length, reading an unnormalised sum without a norm,
erasing more than is there from a decayed state.
"""

from __future__ import annotations

from dataclasses import replace

from move37.team.symbolic.description import (
    DOUBLING_MAPS,
    POSITIVE_MAPS,
    Convolution,
    Decay,
    Description,
    DescriptionError,
    Feature,
    Gate,
    Memory,
    Range,
    Routing,
    differences,
)
from move37.team.symbolic.expressions import (
    OF_KEYS,
    WIDE,
    Expr,
    canonical_expr,
    replace_statistics,
    statistics,
)

NO_FIR_NO_MEMORY = (4,)  # a layer needs one path; the short convolution is the anchor
ERASE_RANGES: tuple[Range, ...] = ("unit", "double")
NOT_HOMOGENEOUS = frozenset({"elu1", "softmax", "silu", "hedgehog"})
WRITE_RANGES: tuple[Range, ...] = ("unit", "double", "softplus")


def canonical(description: Description) -> Description:
    """Return the description of the same layer in its one fixed form."""
    d = description
    d = replace(d, firs=tuple(sorted(d.firs)))
    if not d.memories:
        d = _without_memory(d)
    d = replace(d, memories=tuple(_memory(m, d, first=i == 0) for i, m in enumerate(d.memories)))
    d = replace(d, conv=_conv(d), feature=_feature(d))
    d = _bounded(d)
    return _listening(d)


def check(description: Description) -> Description:
    """Return the description itself if it is in canonical form.

    Raises:
        DescriptionError: some choice has no effect or contradicts another; names the fields.
    """
    fixed = canonical(description)
    if fixed == description:
        return description
    changed = [
        f"{name} = {getattr(description, name)!r} means {getattr(fixed, name)!r}"
        for name in differences(description, fixed)
    ]
    raise DescriptionError("description is not in canonical form: " + "; ".join(changed))


def _without_memory(d: Description) -> Description:
    return replace(
        d,
        key_size="same",
        shared_keys=False,
        feature=Feature(),
        qk_norm="none",
        key_bias=False,
        rotary="none",
        n_writes=1,
        normaliser=False,
        bonus=False,
        firs=d.firs or NO_FIR_NO_MEMORY,
    )


def _memory(memory: Memory, d: Description, *, first: bool) -> Memory:
    is_delta = memory.update == "delta"
    may_tie = first and not is_delta and d.n_writes == 1
    decay = _decay(memory.decay, may_tie=may_tie)
    has_dt = decay.kind == "data" and decay.form == "softplus" and decay.per == "head"
    dt_write = memory.dt_write and has_dt and not is_delta and d.n_writes == 1
    erase = None
    if is_delta:
        erase = _gate(memory.erase or Gate(), ranges=ERASE_RANGES)
        if erase.per == "channel":
            erase = replace(erase, range="unit")  # (e * k) k^T may exceed 2 in norm otherwise
    erase_first = memory.erase_first and is_delta and decay.kind != "none"
    if erase_first and erase is not None:
        erase = replace(erase, range="unit")  # decay - 2 lies outside the unit circle
    return Memory(
        update=memory.update,
        decay=decay,
        erase=erase,
        write=None if dt_write else _optional(memory.write, ranges=WRITE_RANGES),
        read=_optional(memory.read, ranges=ERASE_RANGES),
        erase_first=erase_first,
        two_tap=memory.two_tap and not is_delta and d.n_writes == 1,
        dt_write=dt_write,
        initial=memory.initial and not _normalised(d),
    )


def _decay(decay: Decay, *, may_tie: bool) -> Decay:
    match decay.kind:
        case "none" | "fixed":
            return Decay(kind=decay.kind)
        case "learned":
            return Decay(kind="learned", per=decay.per)
        case "data":
            expr = canonical_expr(decay.expr)
            tied = decay.tied_key and may_tie and decay.per == "channel"
            return replace(decay, expr=expr, rank=_rank(decay.rank, decay.per, expr), tied_key=tied)


def _gate(gate: Gate, *, ranges: tuple[Range, ...]) -> Gate:
    expr = canonical_expr(gate.expr)
    kept = gate.range if gate.range in ranges else ranges[0]
    bias = min(6.0, max(-6.0, round(gate.bias, 2)))
    return replace(gate, expr=expr, range=kept, rank=_rank(gate.rank, gate.per, expr), bias=bias)


def _optional(gate: Gate | None, *, ranges: tuple[Range, ...]) -> Gate | None:
    return None if gate is None else _gate(gate, ranges=ranges)


def _rank(rank: int, per: str, expr: Expr) -> int:
    return rank if per == "channel" and statistics(expr) & WIDE else 0


def _tied(d: Description) -> bool:
    return bool(d.memories) and d.memories[0].decay.tied_key


def _normalised(d: Description) -> bool:
    return (
        d.normaliser
        and d.feature.map in POSITIVE_MAPS
        and d.rotary == "none"
        and all(memory.update == "additive" for memory in d.memories)
    )


def _conv(d: Description) -> Convolution:
    conv = d.conv
    conv = replace(
        conv,
        q=_conv_width(conv.q) if d.memories else 0,
        k=_conv_width(conv.k) if d.memories and not _tied(d) else 0,
        v=_conv_width(conv.v),
    )
    return conv if conv.q or conv.k or conv.v else Convolution()


def _conv_width(width: int) -> int:
    return 0 if width == 1 else width  # width 1 is a scale that the projection has already


def _feature(d: Description) -> Feature:
    feature = d.feature
    if _tied(d) and feature.map in DOUBLING_MAPS:
        feature = replace(feature, map="softmax")
    matters = feature.map in NOT_HOMOGENEOUS  # a factor in front of the others is a scale
    return replace(feature, temperature=feature.temperature and matters)


def _bounded(d: Description) -> Description:
    """Resolve norms: the output must stay bounded however long the sequence is."""
    normalised = _normalised(d)
    sums_freely = not normalised and any(m.update == "additive" for m in d.memories)
    has_delta = any(memory.update == "delta" for memory in d.memories)
    return replace(
        d,
        normaliser=normalised,
        shared_keys=d.shared_keys and not _tied(d),
        key_bias=d.key_bias and not has_delta and not normalised,
        qk_norm="l2" if has_delta else d.qk_norm,
        output_norm="rms" if sums_freely else d.output_norm,
        output_gate=_optional(d.output_gate, ranges=("silu", "unit", "double", "softplus")),
        routing=_routing(d),
    )


def _routing(d: Description) -> Routing:
    if d.n_paths < 2:
        return Routing()
    match d.routing.kind:
        case "sum" | "weights":
            return Routing(kind=d.routing.kind)
        case "sigmoid":
            return Routing(kind="sigmoid", expr=canonical_expr(d.routing.expr))
        case "softmax":
            floor = round(d.routing.floor, 3)
            return replace(d.routing, expr=canonical_expr(d.routing.expr), floor=floor)


def _listening(d: Description) -> Description:
    """Let every gate listen only to what exists: no keys without a memory or before they are made.

    A repeated query-key agreement is what the memory reads; with tied keys they come from a decay.
    """
    banned = OF_KEYS if not d.memories or _tied(d) else frozenset[str]()
    if not banned:
        return d

    def heard(gate: Gate | None) -> Gate | None:
        if gate is None:
            return None
        expr = canonical_expr(replace_statistics(gate.expr, banned=banned))
        return replace(gate, expr=expr)

    def decayed(decay: Decay) -> Decay:
        expr = canonical_expr(replace_statistics(decay.expr, banned=banned))
        return replace(decay, expr=expr)

    memories = tuple(
        replace(
            m,
            decay=decayed(m.decay),
            erase=heard(m.erase),
            write=heard(m.write),
            read=heard(m.read),
        )
        for m in d.memories
    )
    route = canonical_expr(replace_statistics(d.routing.expr, banned=banned))
    return replace(
        d,
        memories=memories,
        output_gate=heard(d.output_gate),
        routing=replace(d.routing, expr=route),
    )
