"""Which base models are related: a graph of origins as data, and the function that reads it.

A model may descend from several lines (weights of one, answers of another), so relatedness is not
a partition into families. Names and vendors are what people declare; nothing here verifies them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from move37.core.errors import ConfigError
from move37.core.team import Line, ModelConfig, TeamConfig

NOT_MODELS = frozenset({"symbolic", "random", "disguise", "reference", "human", ""})
"""Authors that are no language models: they are nobody's relatives."""
VENDORS = frozenset({"anthropic", "openai", "google"})
PROVIDERS = VENDORS | {"openai-compatible"}
UNKNOWN = "unknown"
ALIKE = 0.75
"""Of two names, from 0 to 1, above which one may be a misspelling of the other; assumed."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    line: tuple[Line, ...] = ()


class Relation(BaseModel):
    """Whether two models are related, and why."""

    model_config = ConfigDict(frozen=True)
    related: bool
    reason: str


class Families:
    """The graph.

    Args:
        lines: later ones replace earlier ones of the same name.

    Raises:
        ConfigError: a line names a parent that is not there, or descends from itself.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = {line.name: line for line in lines}
        for line in self.lines.values():
            parents = (*line.weights_from, *line.behaviour_from)
            if missing := [p for p in parents if p not in self.lines]:
                raise ConfigError(f"line {line.name!r} descends from {missing[0]!r}: no such line")
        for name in self.lines:
            if any(name in self.ancestors(parent) for parent in self._parents(name)):
                raise ConfigError(f"line {name!r} descends from itself")

    def ancestors(self, name: str) -> frozenset[str]:
        """Return a line and all it descends from, by weights or by answers."""
        found, waiting = set[str](), [name]
        while waiting:
            if (line := waiting.pop()) not in found:
                found.add(line)
                waiting += self._parents(line)
        return frozenset(found)

    def line_of(self, model: str, family: str = "") -> Line:
        """Return the line of `provider:model`; what a team file says of its family counts first.

        A model that no row knows is a line of its own with an undisclosed root.
        """
        known = self._known(family or model)
        if known is not None:
            return known
        provider = model.partition(":")[0].lower()
        vendor = provider if provider in VENDORS else (f"declared {family}" if family else UNKNOWN)
        return Line(
            name=family.lower() or model.lower() or UNKNOWN,
            vendor=vendor,
            root_known=False,
            evidence="declared" if family else "assumed",
            source="the team file" if family else "no row of the graph knows it",
            date="2026-11-25",
        )

    def near(self, model: str) -> str:
        """Return how the name that was perhaps meant begins; empty if no row has one like it."""
        rows = self.lines.values()
        stems = {stem.lower().rstrip("*") for row in rows for stem in (row.name, *row.match)}
        alike = [
            (SequenceMatcher(None, form[: len(stem)], stem).ratio(), stem)
            for forms in _readings(model)
            for form in forms
            for stem in stems
        ]
        ratio, stem = max(alike, default=(0.0, ""))
        return stem if ratio >= ALIKE else ""

    def relation(self, first: Line, second: Line, *, judging: bool = False) -> Relation:
        """Return whether two lines are related.

        Args:
            first: a line.
            second: another one, or the same.
            judging: one judges the other: then the same vendor is enough.
        """
        if first.name == second.name:
            return Relation(related=True, reason=f"both are {first.name}")
        if shared := self._kin(first) & self._kin(second):
            return Relation(related=True, reason=f"both descend from {', '.join(sorted(shared))}")
        if first.vendor == second.vendor and not (first.root_known and second.root_known):
            return Relation(related=True, reason=f"{first.vendor} does not disclose their roots")
        if judging and first.vendor == second.vendor:
            return Relation(related=True, reason=f"both are of {first.vendor}")
        return Relation(related=False, reason="no common origin is known")

    def _kin(self, line: Line) -> frozenset[str]:
        return self.ancestors(line.name) if line.name in self.lines else frozenset({line.name})

    def _parents(self, name: str) -> tuple[str, ...]:
        line = self.lines.get(name)
        return (*line.weights_from, *line.behaviour_from) if line else ()

    def _known(self, name: str) -> Line | None:
        whole = (name.lower(),)  # a row may speak of a name as one kind of server gives it
        for forms in (whole, *_readings(name)):
            fitting = [
                (len(pattern.replace("*", "")), pattern == line.name, line)
                for line in self.lines.values()
                for pattern in (line.name, *line.match)
                for form in forms
                if _fits(form, pattern.lower())
            ]
            if fitting:
                return max(fitting, key=lambda fit: fit[:2])[2]
        return None


def _readings(model: str) -> Iterator[tuple[str, ...]]:
    """Yield what a name may mean, the likeliest first, each with and without owner and tag.

    `openai-compatible:qwen2.5:7b` has a provider before it and a tag behind it,
    `openai:ft:gpt-4o:us::id` a mark before and an owner behind. Of several parts any may be the
    model (to take a stranger for a relative costs a row, to miss a relative costs more), but of a
    vendor's own name only the first: what follows are words of its customers.
    """
    provider, _, name = model.lower().partition(":")
    parts = name.split(":") if provider in PROVIDERS and name else model.lower().split(":")
    if provider in VENDORS:
        parts = [part for part in parts if part != "ft"][:1]
    for first, part in enumerate(parts):
        whole = ":".join(parts[first:])
        forms = (whole, whole.rsplit("/", 1)[-1], part, part.rsplit("/", 1)[-1])
        yield tuple(form for form in dict.fromkeys(forms) if form)


def _fits(form: str, pattern: str) -> bool:
    """Say whether a name is of a row; an owner counts for patterns that name one, and no others."""
    if "/" in form and "/" not in pattern:
        return False
    return form == pattern or fnmatchcase(form, pattern)


@cache
def shipped_families() -> Families:
    """Return the graph that comes with move37."""
    text = resources.files("move37.guards").joinpath("families.toml").read_text("utf-8")
    return Families(_read(text, "families.toml"))


def families_with(file: Path | None) -> Families:
    """Return the shipped graph with a user's rows on top.

    Raises:
        ConfigError: the file cannot be read or a row is wrong; says which.
    """
    if file is None:
        return shipped_families()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    return Families([*shipped_families().lines.values(), *_read(text, str(file))])


def _read(text: str, where: str) -> tuple[Line, ...]:
    try:
        return _File.model_validate(tomllib.loads(text)).line
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigError(f"{where} is no list of [[line]]: {error}") from error


class Roster:
    """A team's models by label, and how any two authors are related.

    Args:
        team: its own rows come on top of the graph.
        families: the graph.
        quarantined: names of families that are, each with the reason.

    Raises:
        ConfigError: a row of the team is wrong.
    """

    def __init__(
        self, team: TeamConfig, families: Families, *, quarantined: Mapping[str, str] | None = None
    ) -> None:
        own = [*families.lines.values(), *team.lines]
        self.families = Families(own) if team.lines else families
        self.quarantined = dict(quarantined or {})
        self._models: dict[str, ModelConfig] = {m.label: m for m in team.models.values()}

    def line(self, label: str) -> Line:
        """Return the line of an author, `provider:model`."""
        known = self._models.get(label)
        return self.families.line_of(label, known.family if known else "")

    def relation(self, producer: str, consumer: str, *, judging: bool = False) -> Relation:
        """Return how two authors are related; people and rules are related to nobody."""
        if producer in NOT_MODELS or consumer in NOT_MODELS:
            return Relation(related=False, reason="one of them is no language model")
        if producer == consumer:
            return Relation(related=True, reason="they are one model")
        return self.families.relation(self.line(producer), self.line(consumer), judging=judging)

    def quarantine(self, label: str) -> str | None:
        """Return why an author is quarantined: it, or a relative of it, is; None if none is."""
        if label in NOT_MODELS or not self.quarantined:
            return None
        line = self.line(label)
        for family, reason in self.quarantined.items():
            if self.families.relation(line, self.families.line_of("", family)).related:
                return f"{family} is quarantined: {reason}"
        return None


class Diversity(BaseModel):
    """What a team file comes to."""

    model_config = ConfigDict(frozen=True)
    level: Literal["full", "degraded", "none"]
    groups: tuple[tuple[str, ...], ...]
    """Labels of models, related ones together."""
    reason: str


ENOUGH_GROUPS = 3


def diversity_of(team: TeamConfig, families: Families) -> Diversity:
    """Return how many unrelated groups of models a team has: three are full, one is none."""
    roster = Roster(team, families)
    names = {name for role in team.llm_roles for name in team.models_of(role)}
    labels = sorted({team.models[name].label for name in names})
    groups: list[list[str]] = []
    for label in labels:
        kin = [g for g in groups if any(roster.relation(label, x, judging=True).related for x in g)]
        groups = [g for g in groups if g not in kin] + [[label, *(x for g in kin for x in g)]]
    n = len(groups)
    reason = (
        f"{n} unrelated group{'s' if n != 1 else ''} of models play {len(team.llm_roles)} roles"
        f"; {ENOUGH_GROUPS} are needed for a judge unrelated to all authors"
    )
    level = "full" if n >= ENOUGH_GROUPS else "degraded" if n > 1 else "none"
    return Diversity(level=level, groups=tuple(tuple(sorted(g)) for g in groups), reason=reason)
