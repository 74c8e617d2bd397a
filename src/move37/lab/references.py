"""Reference mixers as text. The host reads their source; only the arena ever imports it."""

from __future__ import annotations

import ast
from importlib import resources

from move37.core.candidate import Candidate, Idea
from move37.core.errors import UnknownName


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
    docstring = ast.get_docstring(ast.parse(source)) or name
    summary, _, rest = docstring.partition("\n\n")
    idea = Idea(name=name, motivation=summary, mechanism=rest.strip(), description=description)
    return Candidate.of(source, idea, author="reference")
