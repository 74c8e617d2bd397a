"""What an expression may do, told by its form or by the name that it calls."""

from __future__ import annotations

import ast

from move37.memory.syntax.bindings import words

MUTATORS = words(
    "append extend insert pop remove clear update setdefault popitem add discard sort reverse "
    "register_buffer register_parameter add_module"
)
EFFECTS = words("next print input open")  # builtins: a second call is not the first
ITERATORS = words("iter map zip filter enumerate reversed")
IMPURE = (
    *(ast.AugAssign, ast.Delete, ast.Global, ast.Nonlocal),
    *(ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom),
)
"""Syntax that changes, or waits for, what others see."""


def changes_in_place(method: str) -> bool:
    """Whether a method of this name changes what it belongs to; `_` at the end is torch's."""
    return method in MUTATORS or (method.endswith("_") and not method.endswith("__"))


def is_iterator(value: ast.expr | None) -> bool:
    """Whether an expression gives its items once, and computes them when they are asked for."""
    match value:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in ITERATORS
    return False
