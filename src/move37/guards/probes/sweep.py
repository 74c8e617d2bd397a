"""What a sweep of probes over efforts says: accuracy over effort and over tokens, and a verdict.

N items that were asked at all L efforts, in rising order; an item with a lost reply is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from move37.core.team import EFFORTS, Effort, Role
from move37.guards.probes import DIALS, KINDS, draws
from move37.guards.probes.probe import Probe
from move37.guards.trend import Array, Sweep, Trend, holm, judge_sweep

MOST_ITEMS = 5_000


class Plan(BaseModel):
    """What is asked of whom. The same plan asks the same questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=300)]
    """Its label."""
    role: Role
    kinds: Annotated[tuple[str, ...], Field(min_length=1, max_length=len(KINDS))]
    efforts: Annotated[tuple[Effort, ...], Field(min_length=2, max_length=len(EFFORTS))]
    n_items: Annotated[int, Field(ge=1, le=MOST_ITEMS)]
    seed: Annotated[int, Field(ge=0)]
    dial: Annotated[int, Field(ge=0, lt=len(DIALS))] | None = None
    """None: all of them in turn."""

    @model_validator(mode="after")
    def _known_and_rising(self) -> Plan:
        places = [EFFORTS.index(effort) for effort in self.efforts]
        if places != sorted(set(places)):
            raise ValueError(f"efforts must rise, got {', '.join(self.efforts)}")
        if unknown := sorted(set(self.kinds) - set(KINDS)):
            raise ValueError(f"no kind {', '.join(unknown)}; known: {', '.join(KINDS)}")
        return self

    def probes(self) -> list[Probe]:
        """Return the questions."""
        return draws(self.kinds, self.n_items, seed=self.seed, dial=self.dial)

    @property
    def positions(self) -> Array:
        """Places of the efforts on the scale of all efforts, with mean zero."""
        places = np.array([EFFORTS.index(effort) for effort in self.efforts], dtype=np.float64)
        return places - places.mean()


class Reply(BaseModel):
    """What became of one question at one effort."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: Annotated[int, Field(ge=0, lt=MOST_ITEMS)]
    level: Annotated[int, Field(ge=0, lt=len(EFFORTS))]
    is_right: bool
    is_lured: bool = False
    said: Annotated[str, Field(max_length=400)] = ""
    problem: Annotated[str, Field(max_length=400)] = ""
    """Why there is no answer: it counts as wrong."""
    tokens: Annotated[int, Field(ge=0)] = 0
    """That the model wrote, reasoning included."""
    dollars: Annotated[float, Field(ge=0)] = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """The items of one kind."""

    name: str
    n_items: int
    accuracy: tuple[float, ...]
    """By effort."""
    p_falling: float
    """Adjusted for the number of kinds."""
    chance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a sweep says."""

    sweep: Sweep | None
    """None: no item was answered at every effort."""
    tokens: tuple[float, ...]
    """Mean by effort."""
    lured: tuple[float, ...]
    """How often the distraction won, by effort."""
    unread: tuple[float, ...]
    """How often there was no answer, by effort."""
    by_length: tuple[tuple[float, float], ...]
    """(mean tokens, accuracy) of the shortest reply to each item, the second, and so on."""
    kinds: tuple[Kind, ...]
    n_replies: int
    dollars: float

    @property
    def trend(self) -> Trend:
        """The verdict."""
        return self.sweep.trend if self.sweep else Trend.INSUFFICIENT


def find(plan: Plan, replies: Sequence[Reply]) -> Finding:
    """Return what the replies to a plan's questions say; of two to one question the first."""
    probes = plan.probes()
    n_levels = len(plan.efforts)
    table: dict[tuple[int, int], Reply] = {}
    for reply in replies:
        if reply.item < len(probes) and reply.level < n_levels:
            table.setdefault((reply.item, reply.level), reply)
    whole = [
        [table[item, level] for level in range(n_levels)]
        for item in range(len(probes))
        if all((item, level) in table for level in range(n_levels))
    ]
    right_NL = _array(whole, n_levels, lambda r: r.is_right)
    tokens_NL = _array(whole, n_levels, lambda r: r.tokens)
    tokens_L = _mean(tokens_NL)
    sweep = None
    if whole:
        sweep = judge_sweep(right_NL, seed=plan.seed, tokens_L=tokens_L, x_L=plan.positions)
    return Finding(
        sweep=sweep,
        tokens=tuple(map(float, tokens_L)),
        lured=tuple(map(float, _mean(_array(whole, n_levels, lambda r: r.is_lured)))),
        unread=tuple(map(float, _mean(_array(whole, n_levels, lambda r: bool(r.problem))))),
        by_length=_by_length(right_NL, tokens_NL),
        kinds=_by_kind(plan, probes, [row[0].item for row in whole], right_NL),
        n_replies=len(table),
        dollars=sum(reply.dollars for reply in table.values()),
    )


def _array(whole: list[list[Reply]], n_levels: int, value: Callable[[Reply], float]) -> Array:
    rows = [[float(value(reply)) for reply in row] for row in whole]
    return np.array(rows, dtype=np.float64).reshape(len(rows), n_levels)


def _mean(values_NL: Array) -> Array:
    return values_NL.mean(axis=0) if len(values_NL) else np.zeros(values_NL.shape[1])


def _by_length(right_NL: Array, tokens_NL: Array) -> tuple[tuple[float, float], ...]:
    """Rank an item's replies by what the model really wrote: how hard the item is cancels out."""
    order_NL = tokens_NL.argsort(axis=1, kind="stable")
    tokens = _mean(np.take_along_axis(tokens_NL, order_NL, axis=1))
    right = _mean(np.take_along_axis(right_NL, order_NL, axis=1))
    return tuple((float(t), float(r)) for t, r in zip(tokens, right, strict=True))


def _by_kind(
    plan: Plan, probes: Sequence[Probe], items: Sequence[int], right_NL: Array
) -> tuple[Kind, ...]:
    kind_N = np.array([probes[item].kind for item in items])
    rows = {name: right_NL[kind_N == name] for name in plan.kinds if (kind_N == name).any()}
    p_values = holm(
        {
            name: judge_sweep(r, seed=plan.seed, x_L=plan.positions).p_falling
            for name, r in rows.items()
        }
    )
    return tuple(
        Kind(
            name=name,
            n_items=len(r),
            accuracy=tuple(map(float, r.mean(axis=0))),
            p_falling=p_values[name],
            chance=float(
                np.mean([probes[item].chance for item in items if probes[item].kind == name])
            ),
        )
        for name, r in rows.items()
    )
