"""From memory to method: what a campaign learnt, as Markdown that can seed the next one.

A line says what an edit or element seemed to be worth among relatives, how sure that is, and which
candidates it rests on. It is an association, not an ablation, and it is about this campaign's size.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from dataclasses import dataclass

from move37.core.errors import ConfigError
from move37.insights.story import Story
from move37.insights.wording import escape_markdown, signed

PREFACE = (
    "What edits and elements seemed to be worth, in noise units, drawn towards 0 by their own "
    "noise; then the plain mean, its standard error, and the candidates it rests on. "
    "Associations among relatives at this campaign's size, not ablations."
)
N_EVIDENCE = 6
TELLING = 2.0
"""Standard errors from 0 below which a mean tells nothing."""
UNCLEAR = "within two standard errors of 0, or one lesson alone"
LEAST_LESSONS = 2  # assumed: one comparison of relatives has nothing that it could agree with
PAIR_NOISE = 1.0
"""Deviation of one paired difference, in noise units: what the unit means."""
PRIOR_DEGREES = 4  # assumed: as much as five lessons about one name would say
MAX_LINES = 500
MAX_CREDIT = 100.0
LINE = re.compile(r"^- `(?P<name>[^`\n]{1,120})`: (?P<mean>[+-]?[0-9.]{1,12})\b")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _:+.,/()=-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Learnt:
    """What one edit or element seems to be worth."""

    name: str
    mean: float
    """Noise units; positive helps."""
    error: float
    shrunk: float
    """The mean drawn towards 0 as far as its noise asks: what the next campaign is told."""
    evidence: tuple[str, ...]
    """Candidates whose lessons say so, one each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credits:
    """What was learnt, by what can be said of it."""

    helping: list[Learnt]
    """The most helpful first."""
    hurting: list[Learnt]
    """The most harmful first."""
    unclear: list[Learnt]
    """Too little to tell: less than TELLING standard errors from 0, or too few lessons."""


def learnt(story: Story) -> list[Learnt]:
    """Return every credited edit or element, the most helpful first.

    Shrinking is empirical Bayes: a normal prior around 0 whose spread is what the means show
    beyond their noise. The noise of a lesson is pooled over all names, beside a prior of
    PRIOR_DEGREES lessons with the noise of one pair: two that happen to agree prove little.
    """
    earned: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for record in story.records.values():
        for name, value in (record.lesson.credits if record.lesson else {}).items():
            if NAME.fullmatch(name) and math.isfinite(value):
                earned[name].append((value, record.id))
    noise = _pooled_noise([[v for v, _ in of] for of in earned.values()])
    means = {name: statistics.fmean(v for v, _ in of) for name, of in earned.items()}
    between = statistics.fmean(m * m for m in means.values()) if means else 0.0
    mean_noise = statistics.fmean(noise / len(of) for of in earned.values()) if earned else 0.0
    prior = max(between - mean_noise, 0.0)
    rows = [
        Learnt(
            name=name,
            mean=means[name],
            error=math.sqrt(noise / len(of)),
            shrunk=means[name] * prior / (prior + noise / len(of)) if prior else 0.0,
            evidence=tuple(dict.fromkeys(id_ for _, id_ in of)),
        )
        for name, of in earned.items()
    ]
    return sorted(rows, key=lambda row: (-row.shrunk, -row.mean, row.name))


def weighed(story: Story) -> Credits:
    """Return what edits and elements seem to be worth, with those apart that noise could explain.

    Error rate: of names that are worth nothing about one in twenty passes by luck.
    """
    rows = learnt(story)
    clear = [
        r for r in rows
        if len(r.evidence) >= LEAST_LESSONS and abs(r.mean) >= TELLING * r.error
    ]  # fmt: skip
    return Credits(
        helping=[r for r in clear if r.mean > 0],
        hurting=[r for r in reversed(clear) if r.mean < 0],
        unclear=[r for r in rows if r not in clear],
    )


def _pooled_noise(groups: list[list[float]]) -> float:
    """Return the variance of one lesson's worth around its name's mean, noise units squared."""
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum((len(g) - 1) * statistics.variance(g) for g in groups if len(g) > 1)
    return (squares + PRIOR_DEGREES * PAIR_NOISE**2) / (degrees + PRIOR_DEGREES)


def lessons_page(story: Story) -> str:
    """Return the lessons as Markdown; the lines that start with a name are read back."""
    name = story.started.name if story.started else "a campaign"
    found = weighed(story)
    lines = [
        f"# Lessons of {escape_markdown(name)}",
        "",
        PREFACE,
        "",
    ]
    for title, rows in (
        ("Seems to help", found.helping),
        ("Seems to hurt", found.hurting),
        (f"Too little to tell: {UNCLEAR}", found.unclear),
    ):
        lines += [f"## {title}", "", *(map(_line, rows) if rows else ["- nothing"]), ""]
    if not (found.helping or found.hurting or found.unclear):
        lines += [_nothing(story), ""]
    return "\n".join(lines)


def _nothing(story: Story) -> str:
    origin = story.started.imported_from if story.started else ""
    if not origin:
        return "No lesson was written: nothing was measured yet."
    return (
        f"This run was imported from {escape_markdown(origin)}: published scores are no trials, so "
        "it teaches nothing that could seed a campaign."
    )


def read_lessons(text: str) -> dict[str, float]:
    """Return name -> worth from a lessons file.

    Raises:
        ConfigError: it holds no line that could be a lesson.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match is None or not NAME.fullmatch(match["name"]) or len(found) >= MAX_LINES:
            continue
        try:
            value = float(match["mean"])
        except ValueError:
            continue
        found.setdefault(match["name"], max(-MAX_CREDIT, min(MAX_CREDIT, value)))
    if not found:
        raise ConfigError(
            "no lesson in this file: lines look like '- `norm:output-rms`: +0.42 ...'; "
            "make one with: move37 lessons RUN --to FILE"
        )
    return found


def _line(row: Learnt) -> str:
    ids = ", ".join(row.evidence[:N_EVIDENCE])
    more = f" and {len(row.evidence) - N_EVIDENCE} more" if len(row.evidence) > N_EVIDENCE else ""
    sure = f"mean {signed(row.mean)} ± {row.error:.2f}"
    return f"- `{row.name}`: {signed(row.shrunk)} ({sure}; {ids}{more})"
