"""The recurrence of a layer as far as its code says it: known kernels it calls, gates it makes.

What is written by hand as a loop is not derived: a wrong formula would be worse than none. Formulas
that the author wrote into a docstring are given beside it, as the author's word.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from move37.insights.flow.module import Module, parse, read_module
from move37.insights.flow.parts import Box, Flow, Part
from move37.insights.flow.words import GATES, plain

READ = "o_t = S_t^T q_t"
RECURRENCES: dict[str, tuple[str, ...]] = {
    "linear attention": ("S_t = exp(g_t) S_(t-1) + k_t v_t^T   (g_t = 0: no decay)", READ),
    "delta rule": ("S_t = (I - b_t k_t k_t^T) S_(t-1) + b_t k_t v_t^T", READ),
    "gated delta rule": (
        "S_t = (I - b_t k_t k_t^T) exp(g_t) S_(t-1) + b_t k_t v_t^T", READ,
    ),
    "dplr delta rule": ("S_t = (diag(exp(g_t)) + a_t b_t^T) S_(t-1) + k_t v_t^T", READ),
    "state space dual": ("h_t = exp(dt_t A) h_(t-1) + B_t (dt_t x_t)^T", "y_t = h_t^T C_t"),
    "associative scan": ("h_t = exp(g_t) h_(t-1) + x_t",),
    "gla": ("S_t = diag(exp(g_t)) S_(t-1) + k_t v_t^T", READ),
    "simple gla": ("S_t = exp(g_t) S_(t-1) + k_t v_t^T", READ),
    "retention": ("S_t = c S_(t-1) + k_t v_t^T, c = 1 - 2^-(5 + head)", READ),
    "linear attn": ("S_t = S_(t-1) + k_t v_t^T", READ),
    "hgrn": ("h_t = exp(g_t) h_(t-1) + x_t",),
    "rwkv7": ("S_t = (diag(exp(w_t)) + a_t b_t^T) S_(t-1) + k_t v_t^T", "o_t = S_t^T r_t"),
    "scaled dot product attention": ("o_t = sum over s <= t of softmax_s(q_t . k_s) v_s",),
}  # fmt: skip
"""Label of a memory box -> what the kernel of this name computes, per head."""
NOT_DERIVABLE = "no formula can be derived from this code"
MAX_STATED = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Formulas:
    """Formulas of a layer and how far they can be trusted."""

    lines: tuple[str, ...]
    """Derived from the code; empty where that cannot be done."""
    remark: str
    """What they rest on, or why there are none."""
    stated: tuple[str, ...] = ()
    """As the author's own docstring has them: not checked."""


def formulas_of_code(program: str, flow: Flow | None) -> Formulas:
    """Return the formulas of a layer's code, given the flow that was read from it."""
    module = _module(program)
    stated = _stated(program)
    if flow is None or module is None:
        return Formulas(lines=(), remark=f"{NOT_DERIVABLE}: it cannot be read", stated=stated)
    memories = [box for box in flow.boxes if box.kind is Part.MEMORY and box.label != "cumsum"]
    own = {plain(name) for name in (*module.functions, *module.methods, *module.members)}
    known = {label: lines for label, lines in RECURRENCES.items() if label not in own}
    unknown = list(dict.fromkeys(box.label for box in memories if box.label not in known))
    used = dict.fromkeys(box.label for box in memories if box.label in known)
    lines = [line for label in used for line in known[label]]
    if not lines:
        why = f"it steps by its own {', '.join(unknown)}" if unknown else "it calls no known kernel"
        return Formulas(lines=(), remark=f"{NOT_DERIVABLE}: {why}", stated=stated)
    remark = "from the kernels its code calls, in their letters; biases and scales left out"
    if unknown:
        remark += f"; in part only: {', '.join(unknown)} is not derivable"
    return Formulas(lines=(*lines, *_where(flow)), remark=remark, stated=stated)


def _where(flow: Flow) -> list[str]:
    """What the gates are made of: `beta_t = sigmoid(beta(x_t))`."""
    lines = []
    for place, box in enumerate(flow.boxes):
        if box.kind is not Part.GATE or not box.detail or box.label in GATES:
            continue
        sources = [flow.boxes[a.source] for a in flow.arrows if a.target == place]
        if len(sources) == 1:
            lines.append(f"{_name(box)}_t = {_applied(box, sources[0])}")
    return lines


def _applied(box: Box, source: Box) -> str:
    if source.kind is Part.JOIN:
        inner = "(...)"
    else:
        inner = "x_t" if source.kind is Part.END else f"{_name(source)}_t"
    text = f"W {inner}"
    for step in box.detail.split(" → "):
        text = f"W {text}" if step in ("Linear", "LowRank") and text != f"W {inner}" else text
        text = text if step in ("Linear", "LowRank") else f"{step}({text})"
    return text


def _name(box: Box) -> str:
    return box.label.replace(" ", "_")


def _stated(program: str) -> tuple[str, ...]:
    """Lines of the layer's docstrings that look like formulas: an `=` and an index t."""
    module = _module(program)
    if module is None:
        return ()
    tree = parse(program)
    nodes = (tree, module.layer, module.forward)
    found = [
        line.strip()
        for node in nodes
        for line in (ast.get_docstring(node) or "").splitlines()
        if "=" in line and ("_t" in line or "_{t" in line or "[t]" in line)
    ]
    return tuple(dict.fromkeys(found))[:MAX_STATED]


def _module(program: str) -> Module | None:
    try:
        return read_module(parse(program))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
