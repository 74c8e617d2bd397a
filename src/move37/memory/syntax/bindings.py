"""Names: what binds where, what an import stands for, and which names must keep their spelling."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field


def words(text: str) -> frozenset[str]:
    """Split a list of names."""
    return frozenset(text.split())


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (*DEFINITIONS, ast.Lambda, *COMPREHENSIONS)

REFLECTION = words(
    "getattr setattr hasattr delattr vars locals globals eval exec __dict__ __getattr__ "
    "__getattribute__ __setattr__ __annotations__ __slots__"
)
"""Whoever uses these may look at names, so no name is taken away."""

FRAMEWORK = words(
    "forward train eval to apply cuda cpu float double half bfloat16 parameters named_parameters "
    "buffers named_buffers children named_children modules named_modules state_dict "
    "load_state_dict extra_repr register_buffer register_parameter register_module add_module "
    "requires_grad_ zero_grad training"
)
"""Methods and attributes of nn.Module that others call by name."""

REGISTERS = frozenset({"register_buffer", "register_parameter", "add_module", "register_module"})
"""Methods of nn.Module whose first argument names an attribute."""


@dataclass(eq=False, slots=True)
class Binding:
    """One variable, function, class or attribute, whatever it is called."""

    kind: str
    """`param 0`, `self`, `local`, `function`, `class`, `attribute`, `method`."""
    name: str
    is_fixed: bool = False
    """The name itself matters and stays."""
    is_impure: bool = False
    """Calling it may change something that others see."""
    is_captured: bool = False
    """A function inside reads it, whenever that function is called."""
    color: str = ""
    """What it is, by how it is used; made in `canonical`."""


@dataclass(eq=False, slots=True)
class Scope:
    """The names of one function (lambda), class, comprehension, or of the file."""

    parent: Scope | None
    kind: str = "file"
    names: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        """Look a name up as Python does: inside out, skipping enclosing classes."""
        scope: Scope | None = self
        crossed = False
        while scope is not None:
            if name in scope.names and (scope is self or scope.kind != "class"):
                scope.names[name].is_captured |= crossed
                return scope.names[name]
            crossed |= scope.kind == "function"
            scope = scope.parent
        return None


@dataclass(eq=False, slots=True)
class Names:
    """What one look over the whole file tells about its names."""

    imports: dict[str, str] = field(default_factory=dict)
    """Imported name -> the dotted path it stands for; only where it stands for one."""
    kept: set[str] = field(default_factory=set)
    """Variables that keep their spelling wherever they are."""
    keywords: set[str] = field(default_factory=set)
    """Parameters that are passed by name to something that may be defined here."""
    attributes: dict[str, Binding] = field(default_factory=dict)
    """What is stored on, or defined for, self."""
    is_reflective: bool = False

    def attribute(self, name: str) -> Binding:
        """The attribute of self with this name."""
        if name not in self.attributes:
            self.attributes[name] = Binding("attribute", name, is_fixed=True)
        return self.attributes[name]


def survey(tree: ast.Module) -> Names:
    """Look over a whole file."""
    names = Names()
    nodes = list(ast.walk(tree))
    names.is_reflective = any(
        (isinstance(n, ast.Name) and n.id in REFLECTION)
        or (isinstance(n, ast.Attribute) and n.attr in REFLECTION)
        for n in nodes
    )
    names.imports, names.kept = _imports(nodes)
    for node in nodes:
        match node:
            case ast.Global() | ast.Nonlocal():
                names.kept.update(node.names)
            case ast.NamedExpr(target=ast.Name(id=name)):
                names.kept.add(name)
            case ast.Call(func=func, keywords=keywords) if dotted(func, names.imports) is None:
                names.keywords.update(k.arg for k in keywords if k.arg)
    _attributes(names, nodes)
    return names


def dotted(node: ast.expr, imports: dict[str, str]) -> str | None:
    """The full path of an imported thing: `F.silu` is `torch.nn.functional.silu`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in imports:
        return ".".join([imports[node.id], *reversed(parts)])
    return None


def bound_names(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Iterate over (name, kind) bound by statements, not looking into inner scopes."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, "function"
            case ast.ClassDef():
                yield node.name, "class"
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name, "local"
            case ast.ExceptHandler(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, "local"
            case ast.MatchAs(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name, "local"
        if not isinstance(node, SCOPES):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def self_name(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """The name of a method's first parameter; None for a static method."""
    parameters = [*method.args.posonlyargs, *method.args.args]
    is_static = any(
        isinstance(d, ast.Name) and d.id == "staticmethod" for d in method.decorator_list
    )
    return parameters[0].arg if parameters and not is_static else None


def _imports(nodes: list[ast.AST]) -> tuple[dict[str, str], set[str]]:
    """Find what imported names stand for, and the imported names that are also bound otherwise."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.Import():
                for alias in node.names:
                    path = alias.name if alias.asname else alias.name.partition(".")[0]
                    found.setdefault(alias.asname or path, set()).add(path)
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    path = f"{module}.{alias.name}"
                    found.setdefault(alias.asname or alias.name, set()).add(path)
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.name for n in nodes if isinstance(n, DEFINITIONS)}
    unclear = {name for name, paths in found.items() if len(paths) > 1 or name in bound | {"*"}}
    clear = {name: min(paths) for name, paths in found.items() if name not in unclear}
    return clear, unclear


def _attributes(names: Names, nodes: list[ast.AST]) -> None:
    """Find the attributes of self whose spelling nobody outside self's own methods relies on."""
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    methods = [m for c in classes for m in c.body if isinstance(m, FUNCTIONS)]
    selves = {name for name in map(self_name, methods) if name}
    own, foreign, stored = set[str](), set[str](), set[str]()
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in selves:
                own.add(attr)
                if isinstance(node.ctx, ast.Store):
                    stored.add(attr)
            case ast.Attribute(attr=attr):
                foreign.add(attr)
            case ast.Call(
                func=ast.Attribute(attr=register), args=[ast.Constant(value=str(attr)), *_]
            ):
                stored.update({attr} if register in REGISTERS else ())
    for class_ in classes:
        stored.update(name for name, kind in bound_names(class_.body) if kind == "local")
    defined = {method.name for method in methods}
    for name in sorted(stored | defined):
        keeps = name in foreign | FRAMEWORK or name.startswith("__") or names.is_reflective
        keeps = keeps or (name in defined and name not in own)
        kind = "method" if name in defined else "attribute"
        names.attributes[name] = Binding(kind, name, is_fixed=keeps)
