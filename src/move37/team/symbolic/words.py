"""Descriptions in words and formulas: titles, the recurrence, short names."""

from __future__ import annotations

import hashlib
import textwrap

from move37.team.symbolic.description import (
    Decay,
    Description,
    Gate,
    Memory,
    suffix,
    to_json,
)
from move37.team.symbolic.expressions import Binary, Expr, Leaf, Unary

MAX_TITLE = 88
MAX_FORMULA = 94

FEATURE_WORDS = {
    "identity": "",
    "elu1": "elu+1 features",
    "relu": "ReLU features",
    "relu2": "squared ReLU features",
    "softmax": "softmax features",
    "silu": "SiLU features",
    "hedgehog": "hedgehog features",
    "dpfp": "product features",
}
RANGE_WORDS = {
    "unit": "sigmoid({})",
    "double": "2 sigmoid({})",
    "softplus": "softplus({})",
    "silu": "silu({})",
}
VIEW_WORDS = {
    "x": "W x_t",
    "change": "W (x_t - x_(t-1))",
    "fading": "W mean_t",
    "key-norm": "w |k_t|",
    "value-norm": "w |v_t|",
    "agreement": "w cos(q_t, k_t)",
    "repeat": "w cos(k_t, k_(t-1))",
}


def short_name(d: Description) -> str:
    """Return a name for tables: the core of the layer and four hex digits of the description."""
    parts = [_core_name(d)]
    if any((d.conv.q, d.conv.k, d.conv.v)):
        parts.append("conv")
    if d.firs and d.memories:
        parts.append("fir")
    if d.output_gate:
        parts.append("gated")
    digest = hashlib.sha256(to_json(d).encode()).hexdigest()[:4]
    return "-".join([*parts, digest])


def _core_name(d: Description) -> str:
    if not d.memories:
        return "filter"
    memory = d.memories[0]
    decay = {"none": "", "fixed": "fixed-", "learned": "learned-", "data": "gated-"}
    granularity = "channel-" if memory.decay.per == "channel" else ""
    update = "delta" if memory.update == "delta" else "linear"
    if memory.update == "delta" and d.n_writes > 1:
        update = "delta-product"
    twin = "twin-" if len(d.memories) > 1 else ""
    return f"{twin}{granularity}{decay[memory.decay.kind]}{update}"


def title(d: Description) -> str:
    """Return one line of at most MAX_TITLE characters that says what the layer is made of."""
    parts = [_core_title(d)]
    if len(d.memories) > 1:
        parts.append("two memories")
    widths = sorted({w for w in (d.conv.q, d.conv.k, d.conv.v) if w})
    if widths:
        parts.append(f"{'/'.join(map(str, widths))}-tap convolutions")
    parts += [f"{taps}-tap filter path" for taps in d.firs if d.memories]
    if d.output_gate:
        parts.append("output gate")
    if d.n_paths > 1 and d.routing.kind != "sum":
        parts.append(f"{d.routing.kind} routing")
    if d.rotary != "none":
        parts.append("rotation")
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(part) + 2 <= MAX_TITLE:
            line += f", {part}"
    return line


def _core_title(d: Description) -> str:
    if not d.memories:
        return "Causal filters"
    memory = d.memories[0]
    rule = "Delta rule" if memory.update == "delta" else "Linear attention"
    if d.n_writes > 1:
        rule += f" with {d.n_writes} writes a step"
    decay = {
        "none": "",
        "fixed": " and fixed decay",
        "learned": f" and learned decay per {memory.decay.per}",
        "data": f" and data-dependent decay per {memory.decay.per}",
    }[memory.decay.kind]
    return f"{rule}{decay}"


def formulas(d: Description) -> str:
    """Return the recurrence as formulas, a line each, long ones continued with an indent."""
    lines: list[str] = []
    for number, memory in enumerate(d.memories):
        lines += _memory_lines(memory, d, suffix(number))
    lines += [*_input_lines(d), *_output_lines(d)]
    heading = "Per head, S is K x V:" if d.memories else "Per head:"
    return "\n".join([heading, *(_folded(line) for line in lines)])


def _folded(line: str) -> str:
    return textwrap.fill(
        line, MAX_FORMULA, initial_indent="    ", subsequent_indent=" " * 12, break_long_words=False
    )


def _memory_lines(memory: Memory, d: Description, end: str) -> list[str]:
    s, g = f"S{end}", f"g{end}_t"
    old = f"{s}_(t-1)"
    per_channel = memory.decay.per == "channel"
    factor = {True: f"diag(exp({g}))", False: f"exp({g})"}[per_channel]
    has_decay = memory.decay.kind != "none"
    decayed = f"{factor} {old}" if has_decay else old
    if memory.update == "additive":
        lines = [f"{s}_t = {decayed} + {_additive_write(memory, end)}"]
    else:
        lines = _delta_lines(memory, s, factor if has_decay else "", old, end)
    if d.n_writes > 1:
        decays = "; only the first meets the decay" if has_decay else ""
        lines.append(f"(once for each of {d.n_writes} pairs k, v{decays})")
    if has_decay:
        lines.append(_decay_line(memory.decay, end))
    for letter, role in (("b", "erase"), ("w", "write"), ("r", "read")):
        gate: Gate | None = getattr(memory, role)
        if gate is not None:
            lines.append(f"{letter}{end}_t = {_gate_words(gate)}")
    if memory.two_tap:
        lines.append(f"a{end}_t = sigmoid(W x_t)")
    query = f"(r{end}_t * q_t)" if memory.read else "q_t"
    lines.append(f"o{end}_t = {_read(d, s, query)}")
    return lines


def _additive_write(memory: Memory, end: str) -> str:
    strength = ""
    if memory.dt_write:
        strength = f"dt{end}_t "
    elif memory.write:
        strength = f"w{end}_t " if memory.write.per == "head" else ""
    value = f"(w{end}_t * v_t)" if memory.write and memory.write.per == "channel" else "v_t"
    if not memory.two_tap:
        return f"{strength}k_t {value}^T"
    decay = f"exp(g{end}_t) " if memory.decay.kind != "none" else ""
    old = f"(1 - a{end}_t) {decay}{strength}k_(t-1) {value.replace('v_t', 'v_(t-1)')}^T"
    return f"a{end}_t {strength}k_t {value}^T + {old}"


def _delta_lines(memory: Memory, s: str, factor: str, old: str, end: str) -> list[str]:
    by_channel = memory.erase is not None and memory.erase.per == "channel"
    b = f"b{end}_t"
    erase = f"k_t ({b} * k_t)^T" if by_channel else f"{b} k_t k_t^T"
    value = f"(w{end}_t * v_t)" if memory.write else "v_t"
    if by_channel:
        write = f"k_t {value}^T" if memory.write else f"({b} * k_t) {value}^T"
    else:
        write = f"{b} k_t {value}^T"
    if memory.erase_first:
        kept = f"({factor if factor.startswith('diag') else factor + ' I'} - {erase}) {old}"
    else:
        kept = f"(I - {erase}) {factor + ' ' if factor else ''}{old}"
    return [f"{s}_t = {kept} + {write}"]


def _read(d: Description, s: str, query: str) -> str:
    read = f"{s}_t^T {query}"
    if d.normaliser:
        read = f"{read} / ({query} . sum of k in {s}_t + 0.1)"
    return f"{read} + (q_t . (u * k_t)) v_t" if d.bonus and s == "S" else read


def _decay_line(decay: Decay, end: str) -> str:
    g = f"g{end}_t"
    match decay.kind:
        case "fixed":
            return f"exp({g}) = 1 - 2^-(5 + head)"
        case "learned":
            return f"{g} = -exp(c), c learned per {decay.per}"
    e = f"{expr_words(decay.expr)} + c"
    return {
        "softplus": f"{g} = -A dt{end}_t, dt{end}_t = softplus({e})",
        "root": f"{g} = log sigmoid({e}) / 16",
        "bounded": f"exp({g}) = f + (1 - f) sigmoid({e}), f learned",
        "capped": f"{g} = -0.6065 sigmoid({e})",
    }[decay.form]


def _gate_words(gate: Gate) -> str:
    return RANGE_WORDS[gate.range].format(f"{expr_words(gate.expr)} + c")


def expr_words(expr: Expr) -> str:
    """Return an expression as a formula."""
    match expr:
        case Leaf():
            return VIEW_WORDS[expr.of]
        case Unary():
            return f"{expr.apply}({expr_words(expr.to)})"
        case Binary():
            left, right = expr_words(expr.left), expr_words(expr.right)
            return {
                "sum": f"{left} + {right}",
                "product": f"({left}) ({right})",
                "smooth-maximum": f"log(exp({left}) + exp({right}))",
                "mean": f"({left} + {right}) / 2",
            }[expr.join]


def _input_lines(d: Description) -> list[str]:
    lines = []
    if d.shared_keys:
        lines.append("q_t and k_t are the same for all heads")
    if d.memories and d.memories[0].decay.tied_key:
        lines.append("k_t = 1 - exp(g_t)")
    steps = _key_steps(d)
    if steps:
        lines.append(f"q_t, k_t: {', '.join(steps)}")
    activation = f", {d.conv.activation}" if d.conv.activation else ""
    for part in ("q", "k", "v"):
        width = getattr(d.conv, part)
        if width:
            lines.append(f"{part}: convolution over {width} positions{activation}")
    if d.shift:
        lines.append("x_t is mixed with x_(t-1), a learned share per channel")
    return lines


def _key_steps(d: Description) -> list[str]:
    steps = [
        FEATURE_WORDS[d.feature.map],
        {"none": "", "l2": "unit length", "rms": "unit root mean square"}[d.qk_norm],
        "plus a learned vector" if d.key_bias else "",
        {"none": "", "fixed": "rotated by position", "data": "rotated by a learned angle"}[
            d.rotary
        ],
    ]
    return [step for step in steps if step]


def _output_lines(d: Description) -> list[str]:
    paths = [f"o{suffix(number)}_t" for number in range(len(d.memories))]
    paths += [f"fir{taps}(v)_t" for taps in d.firs]
    paths += ["v_t"] if d.identity else []
    joined = " + ".join(paths)
    if d.n_paths > 1 and d.routing.kind != "sum":
        joined = " + ".join(f"p{i + 1} {path}" for i, path in enumerate(paths))
    normed = f"rms({joined})" if d.output_norm == "rms" else joined
    if d.output_gate:
        normed = f"u_t * {normed if d.output_norm == 'rms' else f'({joined})'}"
    lines = [f"y_t = W_o ({normed})"]
    if d.output_gate:
        lines.append(f"u_t = {_gate_words(d.output_gate)}")
    if d.n_paths > 1 and d.routing.kind == "weights":
        lines.append("p learned per head")
    elif d.n_paths > 1 and d.routing.kind != "sum":
        lines.append(f"p = {d.routing.kind}({expr_words(d.routing.expr)} + c) per head")
    return lines
