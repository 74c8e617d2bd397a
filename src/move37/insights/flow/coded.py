"""From the code of a layer to a data flow: `forward` followed through its syntax tree.

A reading, not a run: branches of an `if` are both followed, a loop over positions is one box, calls
that only reshape are passed through, short helpers are followed into, longer ones are one box.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from move37.insights.flow import words
from move37.insights.flow.folding import fold_chains
from move37.insights.flow.gathering import NONE, STATE, Gathering, TooLong, Value
from move37.insights.flow.module import (
    Module,
    called,
    changed_names,
    has_loop,
    is_self,
    parse,
    read_module,
)
from move37.insights.flow.parts import MAX_BOXES, MINUS, TIMES, Flow, Part

MAX_DEPTH = 4
MAX_FOLLOWED = 14
"""Statements of a helper that is followed into."""

SIGNS: dict[type[ast.operator], str] = {
    ast.Mult: TIMES, ast.Add: "+", ast.Sub: MINUS, ast.Div: "÷", ast.MatMult: "product",
    ast.Pow: "power",
}  # fmt: skip


def coded_flow(program: str) -> tuple[Flow | None, str]:
    """Return the data flow of a layer's code; or None, and why there is none."""
    try:
        module = read_module(parse(program))
        if module is None:
            return None, "the code has no class with a forward"
        reader = _Reader(module)
        return reader.flow(), ""
    except (SyntaxError, ValueError, MemoryError):
        return None, "the code cannot be parsed"
    except RecursionError:
        return None, "the code is nested too deep"
    except TooLong:
        return None, "the code is too long to be followed"


@dataclass(kw_only=True)
class _Scope:
    """Names while one function is followed."""

    names: dict[str, Value]
    returned: list[Value] = field(default_factory=list)
    depth: int = 0
    calls: dict[str, str] = field(default_factory=dict)
    """Local name -> function it stands for: `op = chunk_gla if long else fused_recurrent_gla`."""


class _Reader:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.boxes = Gathering()

    def flow(self) -> Flow:
        forward = self.module.forward
        takes = [a.arg for a in (*forward.args.posonlyargs, *forward.args.args)][1:]
        given = next((n for n in words.INPUT_NAMES if n in takes), takes[0] if takes else "x")
        start = self.boxes.draft.add(
            words.plain(given), Part.END, detail="input, position by position"
        )
        names = {name: frozenset({STATE}) for name in takes if name in words.STATE_NAMES}
        scope = _Scope(names={**names, given: frozenset({start})})
        result = self._run(forward, scope) - {STATE}
        self.boxes.draft.add("y", Part.END, sorted(result), detail="output")
        note = "read from the code, simplified"
        if self.boxes.is_cut:
            note += f"; more than {MAX_BOXES} operations, the later ones left out"
        return fold_chains(self.boxes.draft.done(note))

    # statements

    def _run(self, function: ast.FunctionDef, scope: _Scope) -> Value:
        self._body(function.body, scope)
        last = function.body[-1] if function.body else None
        if isinstance(last, ast.Return) and scope.returned:
            return scope.returned[-1]
        return frozenset().union(*scope.returned)

    def _body(self, body: Iterable[ast.stmt], scope: _Scope) -> None:
        for statement in body:
            self.boxes.count()
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: _Scope) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, value, scope)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value, scope)
            case ast.AugAssign(target=target, op=op, value=value):
                before = self._value(target, scope)
                joined = self.boxes.join(
                    SIGNS.get(type(op), "?"), [before, self._value(value, scope)]
                )
                self._bind(target, joined, scope)
            case ast.Return(value=ast.expr() as value):
                first = value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value
                everything = self._value(value, scope)
                scope.returned.append(self._value(first, scope) if scope.depth == 0 else everything)
            case ast.Expr(value=value):
                self._expression(value, scope)
            case ast.If(body=body, orelse=orelse):
                self._branches([body, orelse], scope)
            case ast.For() | ast.While():
                self._loop(node, scope)
            case ast.With(body=body) | ast.Try(body=body):
                self._body(body, scope)
            case _:
                pass

    def _expression(self, value: ast.expr, scope: _Scope) -> None:
        """A call for its effect: `parts.append(y)`."""
        match value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[new]):
                scope.names[name] = scope.names.get(name, NONE) | self._value(new, scope)
            case _:
                pass

    def _branches(self, bodies: list[list[ast.stmt]], scope: _Scope) -> None:
        """Follow each branch from the same names; afterwards a name may come from any of them."""
        before, merged = scope.names, dict(scope.names)
        ends_all = True
        for body in bodies:
            if body and isinstance(body[-1], ast.Raise):
                continue
            scope.names = dict(before)
            self._body(body, scope)
            if body and isinstance(body[-1], ast.Return):
                continue
            ends_all = False
            for name, value in scope.names.items():
                if value is not before.get(name):
                    other = merged.get(name, NONE)
                    is_first = other is before.get(name)
                    merged[name] = value if is_first and bodies[1] else other | value
        scope.names = before if ends_all else merged

    def _loop(self, node: ast.For | ast.While, scope: _Scope) -> None:
        over = self._value(node.iter, scope) if isinstance(node, ast.For) else NONE
        is_counted = isinstance(node, ast.While) or (
            isinstance(node.iter, ast.Call) and called(node.iter.func) == "range"
        )
        changed = changed_names(node.body)
        if not is_counted or not changed:
            if isinstance(node, ast.For):
                self._bind(node.target, over, scope)
            self._body(node.body, scope)
            return
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        sources = frozenset().union(*(scope.names.get(name, NONE) for name in sorted(used)))
        listed = ", ".join(dict.fromkeys(words.plain(name) for name in changed))
        place = self.boxes.box(
            "loop", Part.MEMORY, sources | {STATE}, detail=f"step by step: {listed}"
        )
        for name in changed:
            scope.names[name] = place

    def _assign(self, target: ast.expr, value: ast.expr, scope: _Scope) -> None:
        if isinstance(target, ast.Tuple):
            found = self._one_by_one(value, scope)
            if len(found) == len(target.elts):
                for part, one in zip(target.elts, found, strict=True):
                    self._bind(part, one, scope)
                return
        if isinstance(target, ast.Name) and (stands_for := self._function_in(value, scope)):
            scope.calls[target.id] = stands_for
        self._bind(target, self._value(value, scope), scope)

    def _one_by_one(self, value: ast.expr, scope: _Scope) -> list[Value]:
        """Return the values of what is listed: `q, k`, `map(f, (q, k))`, `(f(x) for x in (q, k))`.

        Empty where the parts cannot be told apart.
        """
        match value:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return [self._value(part, scope) for part in parts]
            case ast.Call(
                func=ast.Name(id="map"), args=[function, ast.Tuple(elts=parts)], keywords=[]
            ):
                calls = [ast.Call(func=function, args=[part], keywords=[]) for part in parts]
                return [self._call(call, scope) for call in calls]
            case ast.GeneratorExp(generators=[one]) | ast.ListComp(generators=[one]):
                if not isinstance(one.iter, ast.Tuple | ast.List):
                    return []
                found = []
                for part in one.iter.elts:
                    self._bind(one.target, self._value(part, scope), scope)
                    found.append(self._value(value.elt, scope))
                return found
        return []

    def _function_in(self, value: ast.expr, scope: _Scope) -> str:
        """Return the function that a local name stands for; empty if it is no function."""
        match value:
            case ast.IfExp(body=body, orelse=orelse):
                return self._function_in(body, scope) or self._function_in(orelse, scope)
            case ast.Name(id=name) if name not in scope.names:
                is_known = name in self.module.aliases or name in self.module.functions
                return name if is_known else ""
        return ""

    def _bind(self, target: ast.expr, value: Value, scope: _Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope.names[name] = value
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                for part in elts:
                    self._bind(part, value, scope)
            case ast.Starred(value=inner):
                self._bind(inner, value, scope)
            case ast.Subscript(value=ast.Name(id=name)):
                scope.names[name] = scope.names.get(name, NONE) | value
            case _:
                pass

    # expressions

    def _value(self, node: ast.expr, scope: _Scope) -> Value:
        self.boxes.count()
        match node:
            case ast.Name(id=name):
                return scope.names.get(name, NONE)
            case ast.Attribute(value=inner, attr=attr):
                if attr in ("shape", "dtype", "device", "ndim", "training", "layer_idx"):
                    return NONE
                return self._value(inner, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(op, left, right, scope)
            case ast.Compare() | ast.Lambda() | ast.Constant():
                return NONE
            case ast.Subscript(value=inner) | ast.Starred(value=inner) | ast.UnaryOp(operand=inner):
                return self._value(inner, scope)
        return self._several(node, scope)

    def _several(self, node: ast.expr, scope: _Scope) -> Value:
        match node:
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self._comprehension(node, scope)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.BoolOp(values=parts):
                return self._all(parts, scope)
            case ast.Dict(values=parts):
                return self._all(parts, scope)
            case ast.IfExp(body=body, orelse=orelse):
                return self._value(body, scope) | self._value(orelse, scope)
            case ast.NamedExpr(target=target, value=inner):
                value = self._value(inner, scope)
                self._bind(target, value, scope)
                return value
        return NONE

    def _all(self, parts: Iterable[ast.expr], scope: _Scope) -> Value:
        return frozenset().union(*(self._value(part, scope) for part in parts))

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, scope: _Scope
    ) -> Value:
        for generator in node.generators:
            self._bind(generator.target, self._value(generator.iter, scope), scope)
        return self._value(node.elt, scope)

    def _operation(self, op: ast.operator, left: ast.expr, right: ast.expr, scope: _Scope) -> Value:
        sides = [self._value(left, scope), self._value(right, scope)]
        if isinstance(op, ast.MatMult) and len([s for s in sides if s - {STATE}]) == 1:
            of = [n for n in (left, right) if not self._value(n, scope) - {STATE}]
            label = words.plain(getattr(of[0], "attr", "") or "matrix") if of else "matrix"
            return self.boxes.box(label, Part.LINEAR, sides[0] | sides[1])
        return self.boxes.join(SIGNS.get(type(op), "?"), sides)

    # calls

    def _call(self, node: ast.Call, scope: _Scope) -> Value:
        name, arguments = called(node.func), [*node.args, *(k.value for k in node.keywords)]
        if isinstance(node.func, ast.Name):
            name = scope.calls.get(name, name)
        if isinstance(node.func, ast.Lambda):
            return self._lambda(node.func, arguments, scope)
        if name in ("map", "partial", "checkpoint") and node.args:
            inner = ast.Call(func=node.args[0], args=node.args[1:], keywords=node.keywords)
            return self._call(ast.copy_location(inner, node), scope)
        on_self = isinstance(node.func, ast.Attribute) and is_self(node.func.value)
        if on_self and name in self.module.members:
            return self._member(name, self._all(arguments, scope))
        known = self.module.methods.get(name) if on_self else self.module.functions.get(name)
        if known is not None and (on_self or isinstance(node.func, ast.Name)):
            return self._follow(known, node, scope, skip=1 if on_self else 0)
        value = self._all(arguments, scope)
        if isinstance(node.func, ast.Attribute) and not on_self:
            value |= self._value(node.func.value, scope)
        elif isinstance(node.func, ast.Subscript | ast.Call):
            return self._box_of_indexed(node.func, value, scope)
        home = self.module.aliases.get(name, name)
        return self._known_call(home, node, arguments, value, scope)

    def _lambda(self, node: ast.Lambda, arguments: list[ast.expr], scope: _Scope) -> Value:
        given = self._all(arguments, scope)
        names = {**scope.names, **{a.arg: given for a in node.args.args}}
        return self._value(node.body, _Scope(names=names, depth=scope.depth, calls=scope.calls))

    def _known_call(
        self, name: str, node: ast.Call, arguments: list[ast.expr], value: Value, scope: _Scope
    ) -> Value:
        if name in words.NOTHING:
            return NONE
        if name in words.PASSES or not value - {STATE}:
            return value
        if sign := words.JOINS.get(name):
            sides = [
                self._value(a, scope)
                for part in arguments
                for a in (part.elts if isinstance(part, ast.List | ast.Tuple) else [part])
            ]
            if isinstance(node.func, ast.Attribute):
                sides.append(self._value(node.func.value, scope))
            if STATE in value and sign == "side by side":
                return self.boxes.box("with the past", Part.CONVOLUTION, value)
            return self.boxes.join(sign, sides)  # fmt: skip
        kind = words.kind_of(name)
        if kind is Part.OTHER and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if not (isinstance(owner, ast.Name) and owner.id in self.module.aliases):
                return value  # an unknown method of a tensor or a cache
        return self.boxes.box(words.plain(name), kind, value)

    def _box_of_indexed(self, func: ast.expr, value: Value, scope: _Scope) -> Value:
        """`self.convs[i](x)`, `make()(x)`: named by the attribute of self it comes from."""
        names = [
            n.attr for n in ast.walk(func) if isinstance(n, ast.Attribute) and is_self(n.value)
        ]
        if not names:
            return value | (
                self._value(func.value, scope) if isinstance(func, ast.Subscript) else NONE
            )
        return self._member(names[0], value)

    def _member(self, name: str, value: Value) -> Value:
        maker = self.module.members.get(name, "")
        home = self.module.aliases.get(maker, maker)
        if home in words.PASSES or home == "Identity" or not value - {STATE}:
            return value
        first = home.split(" → ")[0]
        kind = words.kind_of(first)
        if kind is Part.OTHER:
            guess = words.kind_of(name)
            kind = guess if guess is not Part.LINEAR else kind
        detail = "" if home in ("Linear", "") else words.plain(home)
        return self.boxes.box(words.plain(name), kind, value, detail=detail)

    def _follow(self, function: ast.FunctionDef, node: ast.Call, scope: _Scope, skip: int) -> Value:
        """Go into a short helper with its arguments; a long one, or a loop, is one box."""
        everything = self._all([*node.args, *(k.value for k in node.keywords)], scope)
        if not everything:
            return NONE
        statements = [n for n in ast.walk(function) if isinstance(n, ast.stmt)]
        is_memory = bool(words.MEMORY.search(function.name))
        if scope.depth >= MAX_DEPTH or len(statements) > MAX_FOLLOWED or is_memory:
            kind = Part.MEMORY if is_memory or has_loop(function) else words.kind_of(function.name)
            return self.boxes.box(words.plain(function.name), kind, everything)
        takes = [a.arg for a in function.args.args][skip:]
        names = {name: self._value(a, scope) for name, a in zip(takes, node.args, strict=False)}
        for keyword in node.keywords:
            names[keyword.arg or "**"] = self._value(keyword.value, scope)
        if any(isinstance(a, ast.Starred) for a in node.args):
            names = dict.fromkeys(takes, everything)
        inner = _Scope(names=names, depth=scope.depth + 1)
        return self._run(function, inner)
