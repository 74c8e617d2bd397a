"""Make one file of a layer written the fla way: with the adapter and pure-torch equals of fla.

The layer and the modules it needs go into the file as text, under a package name of their own, so
that neither an installed fla nor another exported layer is touched. Nothing is executed here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import move37
from move37.core.errors import SourceError
from move37.core.parsing import parse

FOREIGN = ("fla", "transformers")
ROOT = "move37.arena.fla"
FIRST = ("move37.arena.adapter", "move37.arena.fla.cache")
"""What every such file needs."""
LOADER = '''
import importlib
import importlib.abc
import importlib.machinery
import linecache
import sys
from contextlib import contextmanager

import torch

PACKAGE = "{package}"


class _Shelf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of this file, and no others."""

    def find_spec(self, fullname, path, target=None):
        if fullname != PACKAGE and not fullname.startswith(PACKAGE + "."):
            return None
        is_package = fullname not in SOURCES or any(n.startswith(fullname + ".") for n in SOURCES)
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        text = SOURCES.get(module.__name__, "")
        file = module.__file__ = "<" + module.__name__ + ">"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec", dont_inherit=True), vars(module))


@contextmanager
def _uncompiled():
    """Without a GPU torch.compile is left out: it would take longer than what it saves."""
    compiled = torch.compile
    if not torch.cuda.is_available():
        torch.compile = lambda model=None, **_: (lambda f: f) if model is None else model
    try:
        yield
    finally:
        torch.compile = compiled


def _layer_class():
    if PACKAGE not in sys.modules:
        sys.meta_path.insert(0, _Shelf())
    with _uncompiled():
        layer = importlib.import_module(PACKAGE + ".layer")
    adapter = importlib.import_module(PACKAGE + ".arena.adapter")
    own = getattr(layer, "Mixer", None)
    if own is not None and {own_contract}:
        return own
    return adapter.adapt(adapter.find_fla_layer(layer, layer.__name__))


class Mixer(_layer_class()):
    """The layer behind move37's contract."""

    def __init__(self, d_model, n_heads, layer_index):
        with _uncompiled():
            super().__init__(d_model, n_heads, layer_index)
'''


def is_fla_style(tree: ast.Module) -> bool:
    """Tell whether a layer needs fla's names, or is called the way fla calls its layers."""
    imports = (n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
    return any(map(_is_foreign, imports)) or not has_contract(tree)


def has_contract(tree: ast.Module) -> bool:
    """Tell whether the file has a class Mixer that is called with x and a state."""
    mixers = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Mixer"]
    return any("hidden_states" not in _takes(m) for m in mixers)


def fla_text(source: str, tree: ast.Module, candidate_id: str) -> str:
    """Return everything below the head of the file.

    Raises:
        SourceError: it imports what has no pure-torch equal here, or defines no layer.
    """
    if not has_contract(tree) and not any(
        "hidden_states" in _takes(n) for n in tree.body if isinstance(n, ast.ClassDef)
    ):
        raise SourceError(
            f"candidate {candidate_id} defines neither class Mixer nor a layer whose forward takes "
            "hidden_states"
        )
    package = f"move37_{candidate_id}"
    layer, wanted = _rewritten(source, tree, candidate_id)
    texts = {name: _renamed(_read(name), package) for name in _closure([*FIRST, *wanted])}
    texts = {name.replace("move37", package, 1): text for name, text in texts.items()}
    texts[f"{package}.layer"] = layer.replace("move37.arena.", f"{package}.arena.")
    shelf = "".join(f"SOURCES[{name!r}] = {_literal(text)}\n\n" for name, text in texts.items())
    loader = LOADER.format(package=package, own_contract=has_contract(tree))
    return f"SOURCES = {{}}\n\n{shelf}{loader}"


def _takes(node: ast.ClassDef) -> set[str]:
    return {
        a.arg
        for n in node.body
        if isinstance(n, ast.FunctionDef) and n.name == "forward"
        for a in (*n.args.args, *n.args.kwonlyargs)
    }


def _is_foreign(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] in FOREIGN
    return any(alias.name.split(".")[0] in FOREIGN for alias in node.names)


def _rewritten(source: str, tree: ast.Module, candidate_id: str) -> tuple[str, list[str]]:
    """Point imports of fla and transformers to the modules here; return text and modules."""
    lines = source.encode().splitlines(keepends=True)
    for_types = {id(n) for block in _type_blocks(tree) for n in ast.walk(block)}
    wanted: list[str] = []
    spots: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if _is_foreign(node):
            if id(node) in for_types:
                spots.append((node, "pass"))
                continue
            part = _part(node, candidate_id)
            wanted.append(part)
            names = ", ".join(ast.unparse(alias) for alias in node.names)
            spots.append((node, f"from {part} import {names}"))
        elif (module := getattr(node, "module", None)) and module.startswith("move37."):
            wanted.append(module)
    for node, text in sorted(spots, key=lambda spot: -spot[0].lineno):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + text.encode() + after]
    return b"".join(lines).decode(), wanted


def _type_blocks(tree: ast.Module) -> Iterator[ast.If]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield node


def _part(node: ast.Import | ast.ImportFrom, candidate_id: str) -> str:
    """Return the module here that has the names a layer imports.

    Raises:
        SourceError: none has.
    """
    said = ast.unparse(node)
    if isinstance(node, ast.ImportFrom) and node.module:
        parts = _parts()
        fitting = [p for p in parts if node.module == p or node.module.startswith(p + ".")]
        module = parts[max(fitting, key=len)] if fitting else ""
        missing = {alias.name for alias in node.names} - _public(module) if module else {"it"}
        if not missing:
            return module
    raise SourceError(
        f"candidate {candidate_id} has {said!r}, which cannot go into one file: only names that "
        "move37/arena/fla has in pure torch can, by 'from fla.… import NAME'"
    )


def _parts() -> dict[str, str]:
    """Return which module here answers for which of fla's, as arena/fla says."""
    for node in parse(_read(ROOT)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PARTS":
            return ast.literal_eval(node.value)
    raise SourceError(f"{ROOT} names no PARTS; this installation of move37 is damaged")


def _public(module: str) -> set[str]:
    for node in parse(_read(module)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _closure(wanted: list[str]) -> list[str]:
    """Return the modules that are wanted and all that these import of the house."""
    found: dict[str, None] = {}
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in found or name == ROOT:
            continue
        found[name] = None
        package = name.rpartition(".")[0]
        if package.startswith("move37.arena.") and package != ROOT:
            waiting.append(package)
        for node in ast.walk(parse(_read(name))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("move37."):
                waiting += _imported(node)
    return sorted(found)


def _imported(node: ast.ImportFrom) -> list[str]:
    """`from move37.arena import kernels` means the module kernels."""
    module = node.module or ""
    inside = [f"{module}.{alias.name}" for alias in node.names]
    modules = [name for name in inside if _file(name) is not None]
    return modules or [module]


def _renamed(text: str, package: str) -> str:
    text = text.replace("move37.arena", f"{package}.arena").replace(
        "move37.core", f"{package}.core"
    )
    return text.replace('"fla.models.utils"', f'"{package}.arena.fla.cache"')


def _literal(text: str) -> str:
    """Return text as a literal that can be read: raw where that is possible."""
    is_plain = "'''" not in text and not text.endswith(("\\", "'"))
    return f"r'''{text}'''" if is_plain else repr(text)


def _file(module: str) -> Path | None:
    path = Path(move37.__file__).parent.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _read(module: str) -> str:
    file = _file(module)
    if file is None:
        raise SourceError(f"there is no module {module}, so it cannot go into one file")
    return file.read_text("utf-8")
