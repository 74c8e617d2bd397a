"""The null Researcher: its candidates are their parent in disguise: nothing is there to find.

A campaign of them (`campaigns/null.toml`) must end with an empty gallery. Each proposal renames
what it may, reorders how the parts are made, flips signs, and starts its random numbers elsewhere:
the same class of functions, the same distribution of trainings, another draw.

Why a flipped sign changes nothing but the draw: a linear map without bias starts symmetric about 0,
and AdamW treats W and -W alike, so training -W x is training W x with another start.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator

from move37.core.candidate import Candidate, Idea, source_id
from move37.core.parsing import parse
from move37.team.protocols import Brief, NoProposal, Proposal

MAX_TRIES = 60
LETTERS = "bcdfghjklmnpqrstvwxz"
MOST_DRAWS = 4096
"""Random numbers thrown away before the parts are made."""


class DisguiseResearcher:
    """Proposes the parent in disguise; implements `team.protocols.Researcher`."""

    def propose(self, brief: Brief) -> Proposal:
        """Return the parent's class of functions under another source.

        Raises:
            NoProposal: the parent's source is not one `class Mixer` with its parts made in
                `__init__`, or no new disguise was found in MAX_TRIES.
        """
        parent = brief.parents[0].candidate
        rng = random.Random(brief.seed)  # noqa: S311  # a seeded search, no secret
        for _ in range(MAX_TRIES):
            source = disguise(parent.source, rng)
            if source_id(source) not in brief.known_ids:
                return _proposal(parent, source)
        raise NoProposal(f"no new disguise of {parent.id} within {MAX_TRIES} tries")


def disguise(source: str, rng: random.Random) -> str:
    """Return a source of the same class of functions that reads otherwise.

    Raises:
        NoProposal: it does not parse, or is not one `class Mixer` with an `__init__`.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoProposal(f"the parent cannot be disguised: it does not parse ({error})") from error
    mixers = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Mixer"]
    makers = [f for c in mixers for f in c.body if _is_function(f, "__init__")]
    if len(makers) != 1:
        raise NoProposal("the parent cannot be disguised: it is not one class Mixer")
    (maker,) = makers
    parts = _parts(maker)
    linear = [name for name, call in parts.items() if _is_plain_linear(call)]
    flipped = {name for name in linear if rng.random() < 0.5}
    _reorder(maker, rng)
    _throw_away(maker, rng.randrange(1, MOST_DRAWS))
    (mixer,) = mixers
    renamed = {name: _name(rng) for name in _attributes(maker)}
    mixer = _Disguise(renamed, flipped).visit(mixer)
    for function in (f for f in mixer.body if isinstance(f, ast.FunctionDef)):
        _rename_locals(function, rng)
        _undocument(function)
    _undocument(mixer)
    body = [parse("import torch").body[0], *(n for n in tree.body if not _is_text(n))]
    text = ast.unparse(ast.fix_missing_locations(ast.Module(body=body, type_ignores=[])))
    return f'"""A layer, number {rng.randrange(10**6)}."""\n\n{text}\n'


class _Disguise(ast.NodeTransformer):
    """Renames attributes of self, and negates what flipped linear maps return."""

    def __init__(self, renamed: dict[str, str], flipped: set[str]) -> None:
        self._renamed = renamed
        self._flipped = flipped

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = _attribute_of_self(node.func)
        self.generic_visit(node)
        return ast.UnaryOp(op=ast.USub(), operand=node) if name in self._flipped else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        name = _attribute_of_self(node)
        if name in self._renamed:
            return ast.Attribute(value=node.value, attr=self._renamed[name], ctx=node.ctx)
        return node


def _attribute_of_self(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else None
    return None


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _undocument(node: ast.FunctionDef | ast.ClassDef) -> None:
    node.body = [n for n in node.body if not _is_text(n)] or [ast.Pass()]


def _assignments(maker: ast.stmt) -> Iterator[tuple[str, ast.Assign]]:
    for node in ast.walk(maker):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            name = _attribute_of_self(node.targets[0])
            if name is not None:
                yield name, node


def _attributes(maker: ast.stmt) -> list[str]:
    return sorted({name for name, _ in _assignments(maker)})


def _parts(maker: ast.stmt) -> dict[str, ast.Call]:
    """Attribute -> the call that makes it."""
    return {n: a.value for n, a in _assignments(maker) if isinstance(a.value, ast.Call)}


def _is_plain_linear(call: ast.Call) -> bool:
    """Whether it is `nn.Linear(..., bias=False)`: symmetric at the start."""
    without_bias = any(
        k.arg == "bias" and isinstance(k.value, ast.Constant) and k.value.value is False
        for k in call.keywords
    )
    return without_bias and isinstance(call.func, ast.Attribute) and call.func.attr == "Linear"


def _reorder(maker: ast.stmt, rng: random.Random) -> None:
    """Shuffle the statements that make linear maps from arguments alone."""
    if not isinstance(maker, ast.FunctionDef):
        return
    places = [i for i, node in enumerate(maker.body) if _makes_linear(node)]
    drawn = rng.sample(places, len(places))
    body = list(maker.body)
    for place, source in zip(places, drawn, strict=True):
        body[place] = maker.body[source]
    maker.body = body


def _makes_linear(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    if _attribute_of_self(node.targets[0]) is None or not _is_plain_linear(node.value):
        return False
    return not any(_attribute_of_self(n) for n in ast.walk(node.value) if isinstance(n, ast.expr))


def _throw_away(maker: ast.stmt, n_draws: int) -> None:
    """Draw numbers that nobody uses, so that the parts start from others."""
    if isinstance(maker, ast.FunctionDef):
        first = next((i for i, n in enumerate(maker.body) if "super()" in ast.unparse(n)), -1) + 1
        maker.body.insert(first, parse(f"torch.rand({n_draws})").body[0])


def _rename_locals(function: ast.FunctionDef, rng: random.Random) -> None:
    """Rename what the function assigns; its parameters keep their names: callers know them."""
    taken = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)}
    names = {n.id for n in ast.walk(function)
             if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} - taken  # fmt: skip
    renamed = {name: _name(rng) for name in sorted(names)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in renamed:
            node.id = renamed[node.id]


def _name(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS, k=7))


def _proposal(parent: Candidate, source: str) -> Proposal:
    idea = Idea(
        name=f"disguise-{source_id(source)[:4]}",
        motivation=f"{parent.idea.name} in disguise: renamed, reordered, signs flipped.",
        mechanism="The parent's class of functions; any effect it seems to have is luck.",
    )
    candidate = Candidate.of(source, idea, parents=(parent.id,), author="disguise")
    return Proposal(candidate=candidate, operator="disguise")
