"""The report's charts: the search candidate by candidate, effects per task, training curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from move37.core.claims import Effect
from move37.core.trial import Stage
from move37.insights.findings import outcome_of
from move37.insights.pictures import (
    BLUE,
    COLOURS,
    GRAY,
    INK,
    MARKERS,
    picture,
    quiet_axes,
)
from move37.insights.story import Record
from move37.insights.wording import picture_text, signed

DEEPEST = -4.0
"""Noise units: the chart of the search shows at least this much below zero before it cuts off."""
N_CURVES = 8


def search_chart(searched: Sequence[Record]) -> str | None:
    """Draw every candidate over the order of proposal; None if no candidate has an effect."""
    measured = [r for r in searched if r.search_effect]
    if not measured:
        return None
    label = "Search effect of every candidate over the order of proposal, and fresh-seed effects"
    return picture("search", label, lambda axes: _draw_search(axes, searched, measured))


def effects_chart(rows: Sequence[tuple[str, Effect]], *, on_fresh_seeds: bool) -> str | None:
    """Draw effects with their intervals, one line each; the first is the mean of the tasks."""
    if not rows:
        return None
    colour = COLOURS["confirmed"] if on_fresh_seeds else COLOURS["promoted"]
    return picture(
        "effects",
        "Effect over the baseline per task with 95 % intervals",
        lambda axes: _draw_effects(axes, rows, colour),
        height_inches=0.9 + 0.36 * len(rows),
    )


def curves_chart(best: Record, baseline: Record) -> str | None:
    """Draw training losses of a layer and the baseline; None if either has no curve."""
    stage = Stage.CONFIRM if best.measurements(Stage.CONFIRM) else Stage.SEARCH
    ours, theirs = _curves(best, stage), _curves(baseline, stage)
    if not ours or not theirs:
        return None

    def draw(axes: Axes) -> None:
        for record, curves, colour in ((baseline, theirs, GRAY), (best, ours, BLUE)):
            for k, curve in enumerate(curves):
                name = picture_text(record.name) if k == 0 else "_"
                steps, losses = zip(*curve, strict=True)
                axes.plot(steps, losses, color=colour, linewidth=1.1, alpha=0.75, label=name)
        axes.set_xlabel("training step")
        axes.set_ylabel("training loss, nats")
        axes.grid(color=GRAY, alpha=0.25, linewidth=0.6)
        axes.legend(fontsize=8.5, labelcolor=INK, loc="upper right")

    return picture("curves", "Training loss of the best layer and the baseline", draw)


def _draw_search(axes: Axes, searched: Sequence[Record], measured: Sequence[Record]) -> None:
    tested = [(r, r.test.effect) for r in searched if r.test and r.test.effect]
    means = [r.search_effect.mean for r in measured if r.search_effect]
    top = max([2.0, *means, *(e.high for _, e in tested if math.isfinite(e.high))])
    floor = max(min([-2.0, *means, *(e.low for _, e in tested)]), min(DEEPEST, -1.2 * top))
    bottom = floor - 0.08 * (top - floor)
    axes.axhspan(-1, 1, color=GRAY, alpha=0.16, linewidth=0, label="noise floor, ±1")
    axes.axhline(0, color=GRAY, linewidth=1, zorder=1)
    _draw_dots(axes, searched, floor, bottom)
    _draw_best_so_far(axes, measured, len(searched))
    for record, fresh in tested:
        colour = COLOURS[outcome_of(record)]
        seen = record.search_effect.mean if record.search_effect else fresh.mean
        axes.plot([record.place] * 2, [seen, fresh.mean], ":", color=colour, linewidth=1.2)
        reach = [[fresh.mean - fresh.low], [fresh.high - fresh.mean]]
        axes.errorbar(
            record.place, fresh.mean, yerr=reach, fmt="D", color=colour, markersize=6,
            capsize=3, linewidth=1.4, markeredgecolor="white", zorder=5,
        )  # fmt: skip
    if tested:
        axes.plot([], [], "D", color=INK, markersize=5, label="on fresh seeds, 95 %")
    axes.set_ylim(bottom - 0.03 * (top - bottom), top + 0.06 * (top - floor))
    axes.set_xlim(0, max(r.place for r in searched) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("candidate, in order of proposal")
    axes.set_ylabel("effect over baseline, noise units")
    axes.legend(
        fontsize=8.5, labelcolor=INK, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4
    )  # fmt: skip


def _draw_dots(axes: Axes, searched: Sequence[Record], floor: float, bottom: float) -> None:
    for outcome, colour in COLOURS.items():
        group = [r for r in searched if outcome_of(r) == outcome]
        seen = [(r.place, r.search_effect.mean) for r in group if r.search_effect]
        dots = [(x, y) for x, y in seen if y >= floor]
        below = [(x, bottom) for x, y in seen if y < floor]
        blind = [(r.place, bottom) for r in group if not r.search_effect]
        mark = MARKERS[outcome]
        for points, marker, size in ((dots, mark, 24), (below, "v", 18), (blind, "x", 14)):
            if points:
                xs, ys = zip(*points, strict=True)
                axes.scatter(xs, ys, size, color=colour, marker=marker, linewidth=1, zorder=3)
        if group:
            label = f"{outcome} ({len(group)})"
            axes.scatter([], [], 24, color=colour, marker=mark, linewidth=1, label=label)


def _draw_best_so_far(axes: Axes, measured: Sequence[Record], n: int) -> None:
    """Step up with the best effect after the whole training; shorter ones do not compare."""
    whole = [
        (r.place, r.search_effect.mean)
        for r in measured
        if r.search_effect and r.search and r.search.fitness
    ]
    if not whole:
        return
    places, means = zip(*whole, strict=True)
    best = list(accumulate(means, max))
    axes.step(
        [*places, max(n, places[-1])], [*best, best[-1]], where="post", color=COLOURS["promoted"],
        linewidth=1.5, alpha=0.8, zorder=2, label="best seen by the search (optimistic)",
    )  # fmt: skip


def _draw_effects(axes: Axes, rows: Sequence[tuple[str, Effect]], colour: str) -> None:
    axes.axvspan(-1, 1, color=GRAY, alpha=0.16, linewidth=0)
    axes.axvline(0, color=GRAY, linewidth=1)
    for y, (_, effect) in enumerate(rows):
        first = y == 0
        reach = [[effect.mean - effect.low], [effect.high - effect.mean]]
        axes.errorbar(
            effect.mean, y, xerr=reach, fmt="D" if first else "o", color=colour,
            markersize=7 if first else 5.5, capsize=3, linewidth=2 if first else 1.4,
        )  # fmt: skip
        axes.annotate(
            signed(effect.mean), (effect.mean, y), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=8.5,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [picture_text(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_xlabel("effect over baseline, noise units (band: one unit of noise)")
    quiet_axes(axes)


def _curves(record: Record, stage: Stage) -> list[tuple[tuple[int, float], ...]]:
    found = [m.curve for m in record.measurements(stage).values()]
    return [c for c in found if len(c) > 1 and all(math.isfinite(y) for _, y in c)][:N_CURVES]
