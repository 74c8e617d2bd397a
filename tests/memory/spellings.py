"""Ways to spell a layer otherwise, for the tests of its normal form."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable
from pathlib import Path

from move37.memory.syntax.canonical import normal_form

MIXERS = Path(__file__).parents[2] / "src" / "move37" / "arena" / "mixers"
NAMES = ("gated_deltanet", "mamba2", "rwkv7", "kimi_delta_attention")
SOURCES = {name: (MIXERS / f"{name}.py").read_text(encoding="utf-8") for name in NAMES}


def same(a: str, b: str) -> bool:
    return normal_form(a).digest == normal_form(b).digest


def rewritten(source: str, *changes: ast.NodeTransformer) -> str:
    tree = ast.parse(source)
    for change in changes:
        tree = change.visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


class RenameLocals(ast.NodeTransformer):
    """Another name for every variable and parameter of every function.

    Save parameters that may be passed by name, wherever they are used or assigned anew.
    """

    def __init__(self, source: str) -> None:
        self.keywords = set(re.findall(r"(\w+)=", source))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        parameters = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
        stored = {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        renamed = (parameters | stored) - (parameters & self.keywords)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in renamed:
                inner.id = f"other_{inner.id}"
            if isinstance(inner, ast.arg) and inner.arg in renamed:
                inner.arg = f"other_{inner.arg}"
        return node


class RenameOwn(ast.NodeTransformer):
    """Another name for private helpers and for attributes that only self has."""

    def __init__(self, source: str) -> None:
        self.own = set(re.findall(r"self\.(\w+)", source)) - set(
            re.findall(r"(?<!self)\.(\w+)", source)
        )
        self.helpers = set(re.findall(r"^def (\w+)", source, re.MULTILINE))
        self.methods = set(re.findall(r"^    def (_[a-z]\w+)", source, re.MULTILINE))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in self.own:
            node.attr = f"mine_{node.attr}"
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name in self.methods & self.own:
            node.name = f"mine_{node.name}"
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = f"helper_{node.id}" if node.id in self.helpers else node.id
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name in self.helpers:
                inner.name = f"helper_{inner.name}"
        return node


class Bare(ast.NodeTransformer):
    """No annotations, no docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        for arg in ast.walk(node.args):
            if isinstance(arg, ast.arg):
                arg.annotation = None
        if ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
        return node


class Turn(ast.NodeTransformer):
    """Methods, helpers and keyword arguments in the opposite order."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        functions = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        node.body = [n for n in node.body if n not in functions] + functions[::-1]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        helpers = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        node.body = [n for n in node.body if n not in helpers] + helpers[::-1]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.keywords = node.keywords[::-1]
        return node


def without_comments(source: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kept = [t[:2] for t in tokens if t.type not in {tokenize.COMMENT, tokenize.NL}]
    return tokenize.untokenize(kept)


def other_imports(source: str) -> str:
    """The same things under other names."""
    source = source.replace("import torch.nn.functional as F", "from torch.nn import functional")
    source = re.sub(r"\bF\.(?=[a-z])", "functional.", source)
    source = source.replace("from torch import Tensor, nn", "import torch.nn as layers")
    source = re.sub(r"(?<!\.)\bnn\.", "layers.", source)
    source = re.sub(r"\bTensor\b", "torch.Tensor", source)
    return f"import os\n{source}"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as parsed": rewritten,
    "no comments": without_comments,
    "locals": lambda source: rewritten(source, RenameLocals(source)),
    "own names": lambda source: rewritten(source, RenameOwn(source)),
    "bare": lambda source: rewritten(source, Bare()),
    "turned": lambda source: rewritten(source, Turn()),
    "imports": other_imports,
    "all": lambda source: rewritten(
        other_imports(source), RenameOwn(source), RenameLocals(source), Bare(), Turn()
    ),
}
