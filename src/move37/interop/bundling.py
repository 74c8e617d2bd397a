"""Make one file of a layer and the kernels it uses: text in, text out, only torch left to import.

The kernels are put into a function of their own, so that no name of the layer can meet one of
theirs; calls into fla's Triton kernels are left out. Nothing is executed. Layers that are written
the fla way: see `fla_bundling`.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import move37
from move37.core.errors import SourceError
from move37.core.parsing import parse
from move37.interop.fla_bundling import FOREIGN, fla_text, is_fla_style

PACKAGE = "move37.arena.kernels"
ERRORS = "move37.core.errors"
HEAD = '''\
"""{title}

One layer of move37 ({candidate_id}) as one file: needs {needs}. Below are first the kernels it is
built on, then the layer itself, word for word but for its imports.

    mixer = Mixer(d_model=64, n_heads=2, layer_index=0)
    y_BTD, state = mixer(x_BTD)              # a whole sequence
    y_BTD, state = mixer(next_BTD, state)    # and on from there, in constant memory
"""

from __future__ import annotations

'''


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A self-contained file, and what it needs beside torch."""

    text: str
    needs: tuple[str, ...]


def bundle(source: str, *, title: str, candidate_id: str) -> Bundle:
    """Return the layer as one file.

    Raises:
        SourceError: it does not parse, or uses move37 in a way that has no form in one file.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"candidate {candidate_id} does not parse: {error}") from error
    foreign = _foreign(tree) - {"torch"}
    if is_fla_style(tree):
        body = fla_text(source, tree, candidate_id)
        foreign -= set(FOREIGN)
    else:
        layer, wanted = _without_imports(source, tree, candidate_id)
        body = (_kernels(wanted) if wanted else "") + layer
    needs = ("torch", *sorted(foreign))
    quiet = title.replace("\\", "/").replace('"""', "'''").strip() or candidate_id
    head = HEAD.format(title=quiet, candidate_id=candidate_id, needs=" and ".join(needs))
    return Bundle(text=head + body, needs=needs)


def kernel_names() -> dict[str, str]:
    """Return every public kernel and the module it lives in."""
    tree = parse(_read("__init__"))
    return {
        alias.name: (node.module or "").rsplit(".", 1)[-1]
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _without_imports(source: str, tree: ast.Module, candidate_id: str) -> tuple[str, list[str]]:
    """Replace imports of move37 by assignments; return the text and the kernels it wants."""
    lines = source.encode().splitlines(keepends=True)
    wanted: list[str] = []
    spots: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            spots.append((node, "pass"))
        elif isinstance(node, ast.Import | ast.ImportFrom) and _is_ours(node):
            names = _names(node, candidate_id)
            wanted += [name for name in names.values() if name]
            spots.append((node, "; ".join(f"{k} = _kernels.{v}" for k, v in names.items())))
    for node, text in sorted(spots, key=lambda spot: -spot[0].lineno):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + text.encode() + after]
    return b"".join(lines).decode(), list(dict.fromkeys(wanted))


def _is_ours(node: ast.Import | ast.ImportFrom) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == "move37"
    return any(alias.name.split(".")[0] == "move37" for alias in node.names)


def _names(node: ast.Import | ast.ImportFrom, candidate_id: str) -> dict[str, str]:
    """Return local name -> kernel."""
    known = kernel_names()
    if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
        names = {alias.asname or alias.name: alias.name for alias in node.names}
        if set(names.values()) <= known.keys():
            return names
    raise SourceError(
        f"candidate {candidate_id} has {ast.unparse(node)!r}, which cannot go into one file; only "
        f"'from {PACKAGE} import NAME' can"
    )


def _foreign(tree: ast.Module) -> set[str]:
    """Return packages that do not come with Python or move37."""
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.split(".")[0])
    return roots - set(sys.stdlib_module_names) - {"move37"}


def _kernels(wanted: list[str]) -> str:
    """Return a function that defines the wanted kernels, and the name they are reached by."""
    known = kernel_names()
    imports: dict[str, None] = {}
    bodies: list[str] = []
    defined: dict[str, str] = {}
    for module in _in_order({known[name] for name in wanted}):
        text, outside, names = _body(module)
        imports |= dict.fromkeys(outside)
        for name in names:
            if name in defined:
                raise SourceError(f"kernels {defined[name]} and {module} both define {name}")
            defined[name] = module
        bodies.append(f"# {PACKAGE}.{module}\n{text}")
    inner = "\n\n".join(bodies)
    if "ShapeError" in inner:
        inner = 'class ShapeError(ValueError):\n    """Axes that do not fit."""\n\n\n' + inner
    given = ", ".join(f"{name}={name}" for name in wanted)
    body = textwrap.indent(f"{inner}\n\nreturn SimpleNamespace({given})\n", "    ")
    lines = sorted([*imports, "from types import SimpleNamespace"], key=_import_order)
    return (
        "\n".join(lines)
        + f"\n\n\ndef _define_kernels() -> SimpleNamespace:\n{body}"
        + "\n\n_kernels = _define_kernels()\n\n\n"
    )


def _import_order(line: str) -> tuple[bool, str]:
    return "torch" in line, line


def _in_order(modules: set[str]) -> list[str]:
    """Return modules and what they build on, what is built on first."""
    order: dict[str, None] = {}

    def visit(module: str) -> None:
        if module in order:
            return
        for needed in _needed(parse(_read(module))):
            visit(needed)
        order[module] = None

    for module in sorted(modules):
        visit(module)
    return list(order)


def _needed(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            yield (node.module or "").rsplit(".", 1)[-1]


def _body(module: str) -> tuple[str, list[str], list[str]]:
    """Return a module's text without imports and fla calls, its outside imports, its names."""
    source = _read(module)
    tree = parse(source)
    lines = source.splitlines()
    cut: set[int] = set()
    outside: list[str] = []
    names: list[str] = []
    for node in tree.body:
        span = range(node.lineno - 1, node.end_lineno or node.lineno)
        if isinstance(node, ast.Import | ast.ImportFrom):
            cut |= set(span)
            if not _is_ours(node) and getattr(node, "module", "") != "__future__":
                outside.append(ast.unparse(node))
        elif node is tree.body[0] and isinstance(node, ast.Expr):
            cut |= set(span)  # the module's docstring
        names += _defined(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "fla_dtype(" in ast.unparse(node.test):
            cut |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    kept = [line for k, line in enumerate(lines) if k not in cut]
    return "\n".join(kept).strip(), outside, names


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    return []


def _read(module: str) -> str:
    folder = Path(move37.__file__).parent / "arena" / "kernels"
    return (folder / f"{module}.py").read_text("utf-8")
