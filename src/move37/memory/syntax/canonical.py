"""The normal form itself: colour bindings by their use, order what may move, number, hash.

Colours are refined as in the Weisfeiler-Lehman test: whatever is used alike starts alike, and is
told apart by what it is used with. They depend on no name, so they may decide the order.
"""

from __future__ import annotations

import ast
import hashlib
import heapq
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from move37.memory.syntax.bindings import Binding, survey
from move37.memory.syntax.statements import Reader, Statement

ROUNDS = 4  # assumed: how far, in statements, a difference is seen
MAX_RUN = 200  # a longer run of assignments is cut: comparing all pairs is quadratic
GRAM = 8  # tokens; assumed
SKETCH = 256  # smallest gram hashes kept; estimates a share within 0.06 (two deviations)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """What a program is, spelling aside."""

    digest: str
    sketch: tuple[int, ...]
    """The smallest hashes of its runs of tokens, rising: for likeness of unequal programs."""


def normal_form(source: str) -> NormalForm:
    """Reduce a program.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: the text does not parse.
    """
    tree = ast.parse(source)
    body = Reader(survey(tree)).read(tree)
    statements = list(_all(body))
    _find_impure(statements)
    _find_carriers(statements)
    for statement in statements:
        statement.tokens += [] if _is_pure(statement) else statement.orders
    _colour(statements)
    numbers: dict[Binding, int] = {}
    numbered = [
        f"${numbers.setdefault(token, len(numbers))}"
        if isinstance(token, Binding) and not token.is_fixed
        else _spelled(token)
        for token in _tokens(_ordered(body))
    ]
    return NormalForm(digest=_digest(numbered), sketch=_sketch(statements))


def _all(body: Iterable[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        for block in statement.blocks:
            yield from _all(block)


def _find_impure(statements: list[Statement]) -> None:
    """Mark definitions that change what others see, and variables that hold their instances."""
    bodies = [(s.defines, _inside(s)) for s in statements if s.defines is not None]
    generators = {b for b, inside in bodies if any(s.is_lazy for s in inside)}
    changed = True
    while changed:
        changed = False
        for binding, inside in bodies:
            if not binding.is_impure and any(_is_seen(s, binding) for s in inside):
                binding.is_impure = changed = True
        for s in statements:
            held = any(b.is_impure for b in s.mentions)
            held = held or any(b.is_impure and b.kind == "class" for b in s.calls)
            held = held or s.is_lazy or not generators.isdisjoint(s.calls)
            for binding in s.writes if held else ():
                if not binding.is_impure:
                    binding.is_impure = changed = True


def _inside(statement: Statement) -> list[Statement]:
    return list(_all(inner for block in statement.blocks for inner in block))


def _find_carriers(statements: list[Statement]) -> None:
    """Mark what may read any attribute because a variable brought it self, or what reads self."""
    carriers = set[Binding]()
    for s in statements:
        if s.hands_on_self or (s.defines and s.defines.kind == "function" and _reads_self(s)):
            carriers |= s.writes
    n_known = -1
    while n_known < len(carriers):
        n_known = len(carriers)
        for s in statements:
            if not carriers.isdisjoint(s.calls | s.mentions):
                s.reads_all_of_self = True
                carriers |= s.writes


def _reads_self(function: Statement) -> bool:
    return any(
        s.reads_all_of_self or any(b.kind in {"attribute", "method"} for b in s.reads)
        for s in _inside(function)
    )


def _is_seen(statement: Statement, inside: Binding) -> bool:
    if statement.mutates or any(b.is_impure for b in statement.calls):
        return True
    stores = any(b.kind in {"attribute", "method"} for b in statement.writes)
    return stores and inside.name != "__init__" and inside.kind != "class"


def _colour(statements: list[Statement]) -> None:
    bindings = {t: None for s in statements for t in s.tokens if isinstance(t, Binding)}
    for binding in bindings:
        binding.color = f"={binding.name}" if binding.is_fixed else binding.kind
    for _ in range(ROUNDS):
        uses: dict[Binding, list[str]] = {b: [] for b in bindings if not b.is_fixed}
        for statement in statements:
            text = _coloured(statement)
            for place, token in enumerate(statement.tokens):
                if isinstance(token, Binding) and not token.is_fixed:
                    uses[token].append(f"{text} {place}")
        for binding, found in uses.items():
            binding.color = _digest([binding.color, *sorted(found)])


def _coloured(statement: Statement) -> str:
    return _digest(t if isinstance(t, str) else t.color for t in statement.tokens)


def _ordered(body: list[Statement]) -> list[Statement]:
    """Sort each run of statements that may move; inner blocks first."""
    for statement in body:
        statement.blocks = [_ordered(block) for block in statement.blocks]
    ordered: list[Statement] = []
    run: list[Statement] = []
    for statement in body:
        if _may_move(statement) and len(run) < MAX_RUN:
            run.append(statement)
            continue
        ordered += _sorted_run(run)
        run = [statement] if _may_move(statement) else []
        ordered += [] if run else [statement]
    return ordered + _sorted_run(run)


def _may_move(statement: Statement) -> bool:
    return statement.is_plain and _is_pure(statement)


def _is_pure(statement: Statement) -> bool:
    touched = statement.calls | (statement.mentions if statement.has_call else set())
    return not statement.mutates and not any(b.is_impure for b in touched)


def _sorted_run(run: list[Statement]) -> list[Statement]:
    """Order by form, keeping before what must stay before."""
    waits_for = {i: {j for j in range(i) if _conflict(run[j], run[i])} for i in range(len(run))}
    forms = [_digest(_coloured(s) for s in _all([statement])) for statement in run]
    ready = [(forms[i], i) for i, before in waits_for.items() if not before]
    heapq.heapify(ready)
    ordered: list[Statement] = []
    while ready:
        _, done = heapq.heappop(ready)
        ordered.append(run[done])
        for i in range(done + 1, len(run)):
            if done in waits_for[i]:
                waits_for[i].discard(done)
                if not waits_for[i]:
                    heapq.heappush(ready, (forms[i], i))
    return ordered


def _conflict(a: Statement, b: Statement) -> bool:
    if a.writes & b.writes or a.writes & b.reads or a.reads & b.writes:
        return True
    return _may_read(a, b.writes) or _may_read(b, a.writes)


def _may_read(statement: Statement, writes: set[Binding]) -> bool:
    """Whether a statement may read, through a call, something that is written."""
    captured = statement.has_call and any(b.is_captured for b in writes)
    attribute = any(b.kind in {"attribute", "method"} for b in writes)
    return captured or (statement.reads_all_of_self and attribute)


def _tokens(body: list[Statement]) -> Iterator[str | Binding]:
    for statement in body:
        yield from statement.tokens
        for block in statement.blocks:
            yield "{"
            yield from _tokens(block)
            yield "}"


def _spelled(token: str | Binding) -> str:
    """A token's text; empty for a name that does not matter."""
    if isinstance(token, str):
        return token
    return f"={token.name}" if token.is_fixed else ""


def _digest(parts: Iterable[str]) -> str:
    # Tokens may hold any text, so each is led by its length: no two rows join to the same bytes.
    joined = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def _sketch(statements: list[Statement]) -> tuple[int, ...]:
    """Hash runs of tokens within statements, so that their order plays no part."""
    grams = set[int]()
    for statement in statements:
        tokens = [_spelled(token) or "$" for token in statement.tokens]
        for i in range(max(len(tokens) - GRAM + 1, 1)):
            grams.add(zlib.crc32(" ".join(tokens[i : i + GRAM]).encode("utf-8", "surrogatepass")))
    return tuple(sorted(grams)[:SKETCH])
