"""A file as a tree of statements, each a row of tokens: text, and Bindings in place of names.

Beside the tokens a statement knows what it reads, writes and calls: enough to tell whether it may
change places with its neighbour.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TypeAlias

from move37.memory.syntax.bindings import (
    REGISTERS,
    Binding,
    Names,
    Scope,
    bound_names,
    dotted,
    self_name,
    words,
)
from move37.memory.syntax.effects import EFFECTS, IMPURE, changes_in_place, is_iterator

BINDERS = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping)
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
BLOCKS = words("body orelse finalbody")
IGNORED_FIELDS = frozenset({"ctx", "type_comment", "kind", "annotation", "returns", "type_params"})


@dataclass(eq=False, slots=True)
class Statement:
    """One statement without its inner blocks, which follow in order."""

    tokens: list[str | Binding] = field(default_factory=list)
    blocks: list[list[Statement]] = field(default_factory=list)
    reads: set[Binding] = field(default_factory=set)
    writes: set[Binding] = field(default_factory=set)
    calls: set[Binding] = field(default_factory=set)
    """Bindings at the root of a called expression."""
    mentions: set[Binding] = field(default_factory=set)
    """Bindings that are read but not called."""
    defines: Binding | None = None
    is_plain: bool = False
    """An assignment to names, or a definition: may move if nothing it does is seen by others."""
    mutates: bool = False
    """Changes something in place, or waits, yields, deletes."""
    reads_all_of_self: bool = False
    """Uses self, or calls something kept on it: may read any attribute."""
    has_call: bool = False
    """May read whatever a function captured, being a call or going through an iterator."""
    hands_on_self: bool = False
    """Keeps self, a method or a lambda in a variable: what is given that may read any attribute."""
    is_lazy: bool = False
    """Makes an iterator (or yields): whoever goes through it leaves less of it for the next."""
    orders: list[str] = field(default_factory=list)
    """How arguments by name were ordered; it matters if computing one changes another."""


class Reader:
    """Turns one parsed file into statements."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.scope = Scope(None)
        self.now = Statement()

    def read(self, tree: ast.Module) -> list[Statement]:
        """Read the whole file."""
        self._bind(tree.body)
        return self._block(tree.body)

    def _block(self, body: list[ast.stmt]) -> list[Statement]:
        return [self._statement(node) for node in body if not self._says_nothing(node)]

    def _says_nothing(self, node: ast.stmt) -> bool:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return True
            case ast.AnnAssign(value=None):
                return self.scope.kind != "class"  # in a dataclass it makes a field
            case ast.ImportFrom(module="__future__"):
                return True
            case ast.Import():
                return all(
                    (a.asname or a.name.partition(".")[0]) in self.names.imports for a in node.names
                )
            case ast.ImportFrom():
                return all((a.asname or a.name) in self.names.imports for a in node.names)
        return False

    def _statement(self, node: ast.stmt) -> Statement:
        outer, self.now = self.now, Statement()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.ClassDef():
                self._class(node)
            case ast.AnnAssign(value=ast.expr() as value) if self.scope.kind != "class":
                self._assign([node.target], value)
            case ast.Assign():
                self._assign(node.targets, node.value)
            case _:
                self._node(node)
        done, self.now = self.now, outer
        return done

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        self.now.tokens.append("=")
        self.now.is_plain = all(self._is_name(target) for target in targets)
        self.now.has_call |= any(isinstance(t, ast.Tuple | ast.List) for t in targets)
        self.now.is_lazy = is_iterator(value) and not self.now.has_call
        self.now.hands_on_self = self.now.is_lazy or self._is_self(value)
        for target in targets:
            self._node(target)
        self._node(value)

    def _is_self(self, value: ast.expr) -> bool:
        match value:
            case ast.Name(id=name):
                owner = self.scope.find(name)
                return owner is not None and owner.kind == "self"
            case ast.Attribute():
                own = self._own_attribute(value)
                return own is not None and own.kind == "method"
        return any(isinstance(inner, ast.Lambda) for inner in ast.walk(value))

    def _is_name(self, target: ast.expr) -> bool:
        match target:
            case ast.Name():
                return True
            case ast.Attribute(value=ast.Name(id=name)):
                binding = self.scope.find(name)
                return binding is not None and binding.kind == "self"
            case ast.Tuple() | ast.List():
                return all(self._is_name(t) for t in target.elts)
        return False

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.now.tokens.append(type(node).__name__)
        self.now.defines = self._define(node.name)
        self.now.is_plain = not node.decorator_list
        for decorator in node.decorator_list:
            self._node(decorator)
        own_self = self_name(node) if self.scope.kind == "class" else None
        self._enter(node.args, own_self)
        self._bind(node.body)
        self.now.blocks.append(self._block(node.body))
        self._leave()

    def _class(self, node: ast.ClassDef) -> None:
        self.now.tokens.append("class")
        self.now.defines = self._define(node.name)
        for child in [*node.decorator_list, *node.bases, *node.keywords]:
            self._node(child)
        self.scope = Scope(self.scope, "class")
        for name, _ in bound_names(node.body):
            self.scope.names[name] = self.names.attribute(name)
        body = self._block(node.body)
        self.now.blocks.append(body)
        for inner in body:
            self.now.reads |= inner.reads
            self.now.calls |= inner.calls
            self.now.mutates |= inner.mutates
            self.now.has_call |= inner.has_call
        self.now.is_plain = not node.decorator_list and all(s.is_plain for s in body)
        self._leave()

    def _define(self, name: str) -> Binding:
        binding = self.scope.names[name]
        self.now.tokens.append(binding)
        self.now.writes.add(binding)
        return binding

    def _bind(self, body: list[ast.stmt]) -> None:
        for name, kind in bound_names(body):
            if name not in self.scope.names:
                self.scope.names[name] = Binding(kind, name, is_fixed=self._is_fixed(name))

    def _is_fixed(self, name: str) -> bool:
        kept = name in self.names.kept or name == "Mixer" or name.startswith("__")
        return kept or self.names.is_reflective

    def _enter(self, args: ast.arguments, own_self: str | None) -> None:
        """Open a function's scope; defaults are read outside it."""
        for default in args.defaults:  # of the last parameters, so their number says whose
            self.now.tokens.append("default")
            self._node(default)
        pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
        by_name = {arg.arg: default for arg, default in pairs if default is not None}
        self._note_order(by_name)
        for name, default in sorted(by_name.items(), key=lambda pair: pair[0]):
            self.now.tokens.append(f"default {name}")
            self._node(default)
        self.scope = Scope(self.scope, "function")
        positional = [*args.posonlyargs, *args.args]
        for place, arg in enumerate(positional):
            kind = "self" if arg.arg == own_self and place == 0 else f"param {place}"
            self._parameter(arg, kind, fixed=arg.arg in self.names.keywords)
        if args.posonlyargs:
            self.now.tokens.append(f"/ {len(args.posonlyargs)}")
        for arg in sorted(args.kwonlyargs, key=lambda a: a.arg):
            self._parameter(arg, "keyword", fixed=True)
        for arg, kind in ((args.vararg, "*"), (args.kwarg, "**")):
            if arg is not None:
                self._parameter(arg, kind, fixed=False)

    def _parameter(self, arg: ast.arg, kind: str, *, fixed: bool) -> None:
        binding = Binding(kind, arg.arg, is_fixed=fixed or self._is_fixed(arg.arg))
        self.scope.names[arg.arg] = binding
        self.now.tokens += [kind.partition(" ")[0], binding]

    def _note_order(self, values: dict[str, ast.expr]) -> None:
        names = [n for n, value in values.items() if not isinstance(value, ast.Constant)]
        self.now.orders.extend([f"order {' '.join(names)}"] if len(names) > 1 else [])

    def _leave(self) -> None:
        assert self.scope.parent is not None  # noqa: S101 - _enter comes first
        self.scope = self.scope.parent

    def _node(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr) and (path := dotted(node, self.names.imports)):
            self.now.tokens.append(f"from {path}")
            self.now.mutates |= path.endswith("_")
            return
        match node:
            case ast.Name():
                self._name(node)
            case ast.Attribute():
                self._attribute(node)
            case ast.Constant(value=value):
                self.now.tokens.append(_constant(value))
            case ast.Call():
                self._call(node)
            case ast.Lambda():
                self.now.tokens.append("lambda")
                self._enter(node.args, None)
                self._node(node.body)
                self._leave()
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node)
            case _:
                self._fields(node)

    def _fields(self, node: ast.AST) -> None:
        tokens = self.now.tokens
        tokens.append(type(node).__name__)
        self.now.mutates |= isinstance(node, IMPURE)
        self.now.is_lazy |= isinstance(node, ast.Yield | ast.YieldFrom)
        self.now.is_lazy |= isinstance(node, ast.Return) and is_iterator(node.value)
        self.now.has_call |= isinstance(node, ast.Starred | ast.In | ast.NotIn)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            self.now.mutates = True
        for name, value in ast.iter_fields(node):
            if name in IGNORED_FIELDS and not isinstance(node, ast.AnnAssign):
                continue
            self._field(node, name, value)
        tokens.append("end")

    def _field(self, node: ast.AST, name: str, value: object) -> None:
        match value:
            case list() if name in BLOCKS:
                self.now.blocks.append(self._block(value))
                self.now.tokens.append(name)
            case [ast.excepthandler() | ast.match_case(), *_]:
                for part in value:
                    self._node(part)
            case list():
                self.now.tokens.append(f"{name}[")
                for item in value:
                    self._item(item)
                self.now.tokens.append("]")
            case str() if isinstance(node, BINDERS):
                binding = self.scope.find(value)
                self.now.tokens.append(binding or f"name {value}")
                self.now.writes.update({binding} if binding else ())
            case _:
                self._item(value)

    def _item(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self._node(value)
        else:
            self.now.tokens.append(_constant(value))

    def _name(self, node: ast.Name) -> None:
        binding = self.scope.find(node.id)
        if binding is None:
            self.now.tokens.append(f"name {node.id}")
            return
        self.now.tokens.append(binding)
        if isinstance(node.ctx, ast.Load):
            self.now.reads.add(binding)
            self.now.mentions.add(binding)
            self.now.reads_all_of_self |= binding.kind == "self"
        else:
            self.now.writes.add(binding)

    def _attribute(self, node: ast.Attribute) -> None:
        binding = self._own_attribute(node)
        if binding is None:
            self.now.tokens.append(f".{node.attr}")
            self.now.mutates |= not isinstance(node.ctx, ast.Load)
            if node.attr in self.names.attributes:  # of what may be self under another name
                self.now.reads.add(self.names.attributes[node.attr])
            self._node(node.value)
            return
        self.now.tokens += ["self.", binding]
        if isinstance(node.ctx, ast.Load):
            self.now.reads.add(binding)
            self.now.mentions.add(binding)
            self.now.reads_all_of_self |= binding.kind == "method"
        else:
            self.now.writes.add(binding)

    def _own_attribute(self, node: ast.expr) -> Binding | None:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr):
                owner = self.scope.find(name)
                if owner is not None and owner.kind == "self":
                    return self.names.attribute(attr)
        return None

    def _call(self, node: ast.Call) -> None:
        self.now.tokens.append("call")
        self.now.has_call = True
        mentioned = set(self.now.mentions)
        self._node(node.func)
        if (callee := self._judge_callee(node.func)) not in mentioned:
            self.now.mentions -= {callee}
        for place, argument in enumerate(node.args):
            if place == 0 and (binding := self._registered(node)):
                self.now.tokens.append(binding)
                self.now.writes.add(binding)
            else:
                self._node(argument)
        keywords = node.keywords
        if all(k.arg for k in keywords):
            self._note_order({k.arg or "": k.value for k in keywords})
            keywords = sorted(keywords, key=lambda k: k.arg or "")
        for keyword in keywords:
            self.now.tokens.append(f"{keyword.arg or '**'}=")
            self.now.mutates |= keyword.arg == "out"
            self._node(keyword.value)
        self.now.tokens.append("end")

    def _registered(self, node: ast.Call) -> Binding | None:
        match node:
            case ast.Call(
                func=ast.Attribute(attr=register), args=[ast.Constant(value=str(name)), *_]
            ) if register in REGISTERS:
                return self.names.attribute(name)
        return None

    def _judge_callee(self, func: ast.expr) -> Binding | None:
        """Note what a call may do; return the binding at its root."""
        if isinstance(func, ast.Attribute):
            self.now.mutates |= changes_in_place(func.attr)
        root, callee = func, self._own_attribute(func)
        while callee is None and isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
            root = root.func if isinstance(root, ast.Call) else root.value
            callee = self._own_attribute(root)
        if callee is not None:
            self.now.reads_all_of_self = True
        elif isinstance(root, ast.Name) and (callee := self.scope.find(root.id)):
            # A function that is kept in a variable may be anything.
            self.now.mutates |= root is func and callee.kind not in {"function", "class"}
        elif isinstance(root, ast.Name):
            self.now.mutates |= root is func and root.id in EFFECTS
        self.now.calls.update({callee} if callee else ())
        return callee

    def _comprehension(self, node: Comprehension) -> None:
        self.now.tokens.append(type(node).__name__)
        self.now.has_call = True
        self._node(node.generators[0].iter)  # read outside, see the language reference
        is_later = isinstance(node, ast.GeneratorExp)  # runs when asked, as a function does
        self.scope = Scope(self.scope, "function" if is_later else "comprehension")
        for generator in node.generators:
            for inner in ast.walk(generator.target):
                if isinstance(inner, ast.Name):
                    fixed = self._is_fixed(inner.id)
                    self.scope.names[inner.id] = Binding("local", inner.id, is_fixed=fixed)
        for place, generator in enumerate(node.generators):
            self.now.tokens.append(f"for {generator.is_async}")
            for part in [generator.target, *([generator.iter] if place else []), *generator.ifs]:
                self._node(part)
        for name in ("key", "value", "elt"):
            if (part := getattr(node, name, None)) is not None:
                self._node(part)
        self.now.tokens.append("end")
        self._leave()


def _constant(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x}"  # decimal would refuse more than 4300 digits
    return f"{type(value).__name__} {value!r}"
