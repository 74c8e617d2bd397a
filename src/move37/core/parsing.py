"""Parse Python one thread at a time."""

from __future__ import annotations

import ast
import threading

_one_at_a_time = threading.Lock()


def parse(source: str) -> ast.Module:
    """Return the syntax tree, as `ast.parse` does.

    CPython 3.11 keeps one count of nesting for all threads that make trees; two at once can end in
    "SystemError: AST constructor recursion depth mismatch" (python/cpython#106905).

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse`.
    """
    with _one_at_a_time:
        return ast.parse(source)
