"""What a layer computes with, read off its source; and whether a repair still has the idea.

A fingerprint of means, not of meaning: which kernels and functions are called, with which keywords.
The idea of a candidate is what it has beyond its parent. A repair that keeps less than half of it,
or drops a kernel of it, has removed the idea. Calls that are left standing in code that never runs
deceive this check; the probes and the trial judge what runs.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass

from move37.core.parsing import parse

KERNELS = "move37.arena.kernels"
MIN_KEPT = 0.5  # assumed: of the idea's calls
_PLUMBING = """
super __init__ Linear Parameter empty zeros ones zeros_like ones_like view reshape flatten unflatten
chunk split transpose permute contiguous to float size dim len range int get items append isinstance
print ValueError squeeze unsqueeze expand uniform_ rearrange Dropout Tensor new_zeros new_empty type
map list tuple dict enumerate zip
"""
PLUMBING = frozenset(_PLUMBING.split())
"""Calls that every layer has; they say nothing about an idea."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """How much of an idea a repair kept."""

    share: float
    """Of the idea's calls, in [0, 1]; 1 if the idea shows in no call."""
    lost: tuple[str, ...]
    """What is gone, kernels first."""
    is_kept: bool


def mechanism_of(source: str) -> Counter[str]:
    """Count what a source computes with; empty if it does not parse.

    Names are `kernel:delta_rule`, `kernel:delta_rule.scale` (a keyword given), `call:softplus`,
    `operator:MatMult`.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Counter()
    kernels = _kernels(tree)
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.update(_call(node, kernels))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Pow):
            found[f"operator:{type(node.op).__name__}"] += 1
    return found


def compare(broken: str, repaired: str, *, parent: str = "") -> Kept:
    """Say how much of a broken candidate's idea its repair keeps.

    Args:
        broken: source of the candidate that failed.
        repaired: source of its repair.
        parent: source of what the broken one was made from; its means are not the idea. Without
            one, or where nothing was added, the whole broken layer is the idea.
    """
    whole = mechanism_of(broken)
    idea = (whole - mechanism_of(parent)) or whole
    after = mechanism_of(repaired)
    kept = idea & after
    lost = sorted(idea - after, key=lambda name: (not name.startswith("kernel:"), name))
    share = kept.total() / idea.total() if idea else 1.0
    lost_kernels = [k for k in lost if k.startswith("kernel:") and "." not in k and not after[k]]
    return Kept(share=share, lost=tuple(lost), is_kept=share >= MIN_KEPT and not lost_kernels)


def _kernels(tree: ast.Module) -> dict[str, str]:
    """Return local name -> kernel."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == KERNELS
        for alias in node.names
    }


def _call(node: ast.Call, kernels: dict[str, str]) -> list[str]:
    match node.func:
        case ast.Name(id=name) if name in kernels:
            kernel = f"kernel:{kernels[name]}"
            return [kernel, *(f"{kernel}.{k.arg}" for k in node.keywords if k.arg)]
        case ast.Attribute(value=ast.Name(id="self")):
            return []  # a part of the layer, by a name of the author's choice
        case ast.Name(id=name) | ast.Attribute(attr=name) if name not in PLUMBING:
            return [] if name.startswith("_") else [f"call:{name}"]
    return []
