"""A layer's file taken apart: its layer class, what its constructor makes, its functions.

Text is parsed and never executed. Hostile text is refused before the parser could choke on it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from move37.core import parsing

MAX_BYTES = 200_000
MAX_LINE = 8_000  # a logical line; the parser's time grows with the square of a dotted name
MAX_NESTING = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """What a diagram is read from."""

    layer: ast.ClassDef
    forward: ast.FunctionDef
    methods: dict[str, ast.FunctionDef]
    functions: dict[str, ast.FunctionDef]
    classes: dict[str, ast.ClassDef]
    members: dict[str, str] = field(default_factory=dict)
    """Attribute of self -> name of what it is made by: `Linear`, `Parameter`, a class."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Imported name -> name at its home."""


def parse(program: str) -> ast.Module:
    """Parse hostile text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it cannot be parsed, or might take
            too long.
    """
    if len(program) > MAX_BYTES:
        raise ValueError("the code is too long")
    joined = program.replace("\\\n", "")
    if max((len(line) for line in joined.split("\n")), default=0) > MAX_LINE:
        raise ValueError("the code has lines too long to read")
    depth = deepest = 0
    for c in program:
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise ValueError("the code is nested too deep")
    return parsing.parse(program)


def read_module(tree: ast.Module) -> Module | None:
    """Return the parts of a file; None if no class in it has a forward."""
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    layer = _layer(classes)
    if layer is None:
        return None
    methods = {n.name: n for n in layer.body if isinstance(n, ast.FunctionDef)}
    return Module(
        layer=layer,
        forward=methods["forward"],
        methods=methods,
        functions={n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)},
        classes=classes,
        members=_members(methods.get("__init__")),
        aliases={
            a.asname or a.name: a.name.rpartition(".")[2]
            for n in ast.walk(tree)
            if isinstance(n, ast.Import | ast.ImportFrom)
            for a in n.names
        },
    )


def _layer(classes: dict[str, ast.ClassDef]) -> ast.ClassDef | None:
    """Return class Mixer; else the last public one written the fla way; else the last one."""
    with_forward = [c for c in classes.values() if _forward(c) is not None]
    mixers = [c for c in with_forward if c.name == "Mixer"]
    public = [c for c in with_forward if not c.name.startswith("_")]
    styled = [c for c in public if _takes(c, "hidden_states") and _takes(c, "past_key_values")]
    for found in (mixers, styled, [c for c in public if _takes(c, "hidden_states")], public,
                  with_forward):  # fmt: skip
        if found:
            return found[-1]
    return None


def _forward(node: ast.ClassDef) -> ast.FunctionDef | None:
    found = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "forward")
    return next(found, None)


def _takes(node: ast.ClassDef, name: str) -> bool:
    forward = _forward(node)
    return forward is not None and name in {a.arg for a in forward.args.args}


def _members(init: ast.FunctionDef | None) -> dict[str, str]:
    members: dict[str, str] = {}
    for node in ast.walk(init) if init else ():
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                members.setdefault(target.attr, _maker(node.value))
    return members


def _maker(value: ast.expr) -> str:
    """Return the name of what makes a member; of a Sequential or list, its first part's."""
    if isinstance(value, ast.IfExp):
        return _maker(value.body) or _maker(value.orelse)
    if not isinstance(value, ast.Call):
        return ""
    name = called(value.func)
    if name == "Sequential":
        inner = [_maker(a) for a in value.args if isinstance(a, ast.Call)]
        return " → ".join(i for i in inner[:3] if i) or name
    if name in ("ModuleList", "compile") and value.args:
        first = value.args[0]
        inner = getattr(first, "elt", None) or next(iter(getattr(first, "elts", [])), None)
        return (_maker(inner) if inner is not None else "") or name
    return name


def called(func: ast.expr) -> str:
    """Return the last name of what is called: `Linear` of nn.Linear."""
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def is_self(node: ast.expr) -> bool:
    """Tell whether this is the name self."""
    return isinstance(node, ast.Name) and node.id == "self"


def changed_names(body: list[ast.stmt]) -> list[str]:
    """Return names that a loop's body assigns, fills or appends to, in order."""
    found: dict[str, None] = {}
    for node in (n for statement in body for n in ast.walk(statement)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                found[name] = None
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
                found[name] = None
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append")):
                found[name] = None
            case _:
                pass
    return list(found)


def has_loop(function: ast.FunctionDef) -> bool:
    """Tell whether a function goes through something step by step."""
    return any(isinstance(n, ast.For | ast.While) for n in ast.walk(function))
