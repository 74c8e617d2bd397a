"""Reference mixers as text. The host reads their source; only the arena ever imports it."""

from __future__ import annotations

import ast
import functools
from importlib import resources

from move37.core.candidate import Candidate, Idea
from move37.core.errors import UnknownName
from move37.core.parsing import parse


def reference_names() -> tuple[str, ...]:
    """Return the names of all reference mixers, in alphabetical order."""
    folder = resources.files("move37") / "arena" / "mixers"
    return tuple(
        sorted(
            file.name.removesuffix(".py")
            for file in folder.iterdir()
            if file.name.endswith(".py") and not file.name.startswith("_")
        )
    )


def reference_source(name: str) -> str:
    """Return the source of one reference mixer.

    Raises:
        UnknownName: there is no such mixer; the message lists all.
    """
    if name not in reference_names():
        raise UnknownName.of("mixer", name, reference_names())
    return (resources.files("move37") / "arena" / "mixers" / f"{name}.py").read_text("utf-8")


def reference_candidate(name: str, *, description: str = "") -> Candidate:
    """Return a reference mixer as a candidate; its docstring is the motivation.

    Args:
        name: as in `reference_names`.
        description: the symbolic team's description, for mixers it can express.
    """
    source = reference_source(name)
    docstring = ast.get_docstring(parse(source)) or name
    summary, _, rest = docstring.partition("\n\n")
    idea = Idea(name=name, motivation=summary, mechanism=rest.strip(), description=description)
    return Candidate.of(source, idea, author="reference")


@functools.cache
def kernel_vocabulary() -> str:
    """Return what candidates may build on, in words: the kernels' page and their signatures."""
    folder = resources.files("move37") / "arena" / "kernels"
    page = parse((folder / "__init__.py").read_text("utf-8"))
    files = [n.module.rpartition(".")[2] for n in page.body if isinstance(n, ast.ImportFrom)
             if n.module]  # fmt: skip
    public = {a.name for n in page.body if isinstance(n, ast.ImportFrom) for a in n.names}
    signatures = [
        _signature(node)
        for file in files
        for node in parse((folder / f"{file}.py").read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name in public
    ]
    return f"{ast.get_docstring(page)}\n\n" + "\n".join(signatures) + "\n"


def _signature(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    words = (ast.get_docstring(node) or "").partition("\n")[0]
    return f"def {node.name}({ast.unparse(node.args)}){returns}: {words}"
