"""Probes: questions without end, with known answers and a dial for how much distracts from them.

A probe depends on its kind, seed, number and dial only. Nothing here asks a model; a repaired layer
is run by the campaign (`campaign.probing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from move37.core.errors import ConfigError, UnknownName
from move37.core.team import Role
from move37.guards.probes import counting, grids, layers, puzzles, regression, repeats, tables
from move37.guards.probes.probe import DIALS, Probe

__all__ = ["DIALS", "KINDS", "ROLES", "Probe", "draw", "draws"]


class Maker(Protocol):
    """Makes the probes of one kind."""

    def __call__(self, *, seed: int, number: int, dial: int) -> Probe:
        """Return a probe; the same arguments give the same one."""
        ...


KINDS: dict[str, Maker] = {
    "counting": counting.counting,
    "code-counting": counting.code_counting,
    "control-counting": counting.control_counting,
    "puzzles": puzzles.puzzle,
    "regression-zero-shot": regression.zero_shot,
    "regression-few-shot": regression.few_shot,
    "grids": grids.grid,
    "broken-layer": layers.broken_layer,
    "experiment-table": tables.experiment_table,
    "repeats": repeats.repeat,
}
ROLES: dict[Role, tuple[str, ...]] = {
    Role.RESEARCHER: ("counting", "puzzles", "grids", "code-counting"),
    Role.ENGINEER: ("broken-layer", "code-counting"),
    Role.ANALYST: ("experiment-table", "regression-zero-shot", "regression-few-shot"),
    Role.JUDGE: ("repeats", "counting"),
}
"""What each role is probed with unless somebody says otherwise."""


def draw(kind: str, *, seed: int, number: int, dial: int) -> Probe:
    """Return one probe.

    Raises:
        UnknownName: there is no such kind.
        ConfigError: no such dial.
    """
    if kind not in KINDS:
        raise UnknownName.of("kind of probe", kind, KINDS)
    if dial not in DIALS:
        raise ConfigError(f"the dial goes from {DIALS[0]} to {DIALS[-1]}, got {dial}")
    return KINDS[kind](seed=seed, number=number, dial=dial)


def draws(kinds: Sequence[str], n: int, *, seed: int, dial: int | None = None) -> list[Probe]:
    """Return n probes, the kinds in turn; without a dial it goes round, too."""
    return [
        draw(
            kinds[i % len(kinds)],
            seed=seed,
            number=i,
            dial=DIALS[(i // len(kinds)) % len(DIALS)] if dial is None else dial,
        )
        for i in range(n)
    ]
