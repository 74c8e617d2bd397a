"""Expression trees over measured statistics: what a gate listens to.

A leaf is a learned affine view of one statistic of the current position and its past; inner nodes
combine views. Every statistic is strictly causal and needs a state of constant size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass, rebuild_dataclass

RECORD = ConfigDict(extra="forbid")

Statistic: TypeAlias = Literal[
    "x",  # the input itself
    "change",  # x_t - x_{t-1}
    "fading",  # exponentially fading mean of x, learned half-life per channel
    "key-norm",  # size of the key before it is normalised
    "value-norm",  # size of the value
    "agreement",  # cosine of query and key at the same position
    "repeat",  # cosine of this key and the previous one
]
WIDE: frozenset[str] = frozenset({"x", "change", "fading"})
"""Statistics with D channels, seen through a matrix; the others are one number per head."""
OF_KEYS: frozenset[str] = frozenset({"key-norm", "agreement", "repeat"})
STATISTICS: tuple[Statistic, ...] = (
    "x",
    "change",
    "fading",
    "key-norm",
    "value-norm",
    "agreement",
    "repeat",
)

UnaryName: TypeAlias = Literal["tanh", "sigmoid", "softplus", "abs"]
UNARY: tuple[UnaryName, ...] = ("tanh", "sigmoid", "softplus", "abs")
BinaryName: TypeAlias = Literal["sum", "product", "smooth-maximum", "mean"]
BINARY: tuple[BinaryName, ...] = ("sum", "product", "smooth-maximum", "mean")

MAX_LEAVES = 3  # assumed: readable formulas; a leaf costs a matrix
MAX_DEPTH = 4


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Leaf:
    """A learned linear view of one statistic."""

    of: Statistic


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Unary:
    """A function of one expression."""

    apply: UnaryName
    to: Expr


@dataclass(frozen=True, kw_only=True, slots=True, config=RECORD)
class Binary:
    """Two expressions joined. All joins are commutative.

    The maximum is smooth, log(e^a + e^b): a hard one may leave one side without any gradient.
    """

    join: BinaryName
    left: Expr
    right: Expr


Expr: TypeAlias = Leaf | Unary | Binary
rebuild_dataclass(Unary)  # pyright: ignore[reportArgumentType]  # pydantic fills its marks in
rebuild_dataclass(Binary)  # pyright: ignore[reportArgumentType]  # as above

LINEAR = Leaf(of="x")


def leaves(expr: Expr) -> Iterator[Leaf]:
    """Yield the leaves from left to right."""
    match expr:
        case Leaf():
            yield expr
        case Unary():
            yield from leaves(expr.to)
        case Binary():
            yield from leaves(expr.left)
            yield from leaves(expr.right)


def statistics(expr: Expr) -> frozenset[str]:
    """Return what the expression listens to."""
    return frozenset(leaf.of for leaf in leaves(expr))


def depth(expr: Expr) -> int:
    """Return the number of nodes on the longest way down; a leaf has 1."""
    match expr:
        case Leaf():
            return 1
        case Unary():
            return 1 + depth(expr.to)
        case Binary():
            return 1 + max(depth(expr.left), depth(expr.right))


def fits(expr: Expr) -> bool:
    """Whether the tree stays within MAX_LEAVES and MAX_DEPTH."""
    return len(list(leaves(expr))) <= MAX_LEAVES and depth(expr) <= MAX_DEPTH


def describe(expr: Expr) -> str:
    """Return a short stable name: `sum(x, tanh(repeat))`."""
    match expr:
        case Leaf():
            return expr.of
        case Unary():
            return f"{expr.apply}({describe(expr.to)})"
        case Binary():
            return f"{expr.join}({describe(expr.left)}, {describe(expr.right)})"


def replace_statistics(expr: Expr, *, banned: frozenset[str]) -> Expr:
    """Return the tree with leaves of banned statistics listening to x instead."""
    match expr:
        case Leaf():
            return LINEAR if expr.of in banned else expr
        case Unary():
            return Unary(apply=expr.apply, to=replace_statistics(expr.to, banned=banned))
        case Binary():
            return Binary(
                join=expr.join,
                left=replace_statistics(expr.left, banned=banned),
                right=replace_statistics(expr.right, banned=banned),
            )


def canonical_expr(expr: Expr) -> Expr:
    """Return an equal expression in one fixed form, cut down until it `fits`.

    Operands are ordered (all joins commute), a sum or mean of the same view twice is that view, a
    function applied twice in a row that changes nothing new is applied once.
    """
    while not fits(expr):
        expr = expr.left if isinstance(expr, Binary) else expr.to  # pyright: ignore[reportAttributeAccessIssue]  # a Leaf fits
    return _canonical(expr)


def _canonical(expr: Expr) -> Expr:
    match expr:
        case Leaf():
            return expr
        case Unary():
            inner = _canonical(expr.to)
            repeated = isinstance(inner, Unary) and (
                inner.apply == expr.apply or (expr.apply == "abs" and inner.apply != "tanh")
            )
            return inner if repeated else Unary(apply=expr.apply, to=inner)
        case Binary():
            left, right = sorted((_canonical(expr.left), _canonical(expr.right)), key=describe)
            if expr.join in ("sum", "mean") and left == right and isinstance(left, Leaf):
                return left
            return Binary(join=expr.join, left=left, right=right)
