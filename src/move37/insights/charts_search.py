"""Charts of a whole search: discoveries over compute, trends, effects of elements, scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from move37.insights.discovery import Curve, Discovery
from move37.insights.laws import LEAST, Band, constant_band, falling_band
from move37.insights.matched import MatchedRow
from move37.insights.pictures import (
    BLUE,
    GRAY,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    panels,
    picture,
    quiet_axes,
)
from move37.insights.story import Record
from move37.insights.trends import Point, kiloflops, mixer_parameters, points_of, state_bytes
from move37.insights.wording import picture_text

N_POINTS = 61
N_ELEMENTS = 14
FEWEST = 3
"""Candidates below which there is no trend to draw."""
WINDOW = 50
"""Records of the running mean over somebody else's scores."""
DASHES = (("--", ORANGE), ("-.", PURPLE), (":", GREEN))


def compute_chart(found: Discovery) -> str | None:
    """Draw discoveries over compute beside others'; None where nobody has any."""
    confirming = [b for b in found.beside if b.by_confirmed]
    others = [b for b in found.beside if not b.by_confirmed]
    draws = []
    if found.curve.times or any(b.curve.times for b in confirming):
        lines = [c for b in confirming for c in (b.ours, b.curve) if c is not found.curve]
        draws.append(lambda axes: _draw_compute(axes, found, lines))
    if any(b.ours.seen or b.curve.seen for b in others):
        draws.append(lambda axes: _draw_seen(axes, found, [b.curve for b in others]))
    if not draws:
        return None
    label = "Confirmed discoveries over measured compute, with the fitted law and its 95 % band"
    return panels("compute", label, draws, height_inches=3.2)


def trends_chart(searched: Sequence[Record]) -> str | None:
    """Draw what candidates cost over the order of proposal; None where few were probed."""
    series = [
        ("parameters of one mixer", points_of(searched, mixer_parameters)),
        ("kFLOP a token, one mixer", points_of(searched, kiloflops)),
        ("state, bytes a layer", points_of(searched, state_bytes)),
    ]
    kept = [(name, points) for name, points in series if len(points) >= FEWEST]
    gallery = {float(r.place) for r in searched if r.in_gallery}
    if not kept:
        return None
    return panels(
        "trends",
        "Parameters, operations and state of candidates over the order of proposal",
        [lambda axes, n=name, p=points: _draw_trend(axes, n, p, gallery) for name, points in kept],
        height_inches=2.5,
    )


def matched_chart(rows: Sequence[MatchedRow]) -> str | None:
    """Draw what elements are worth among matched relatives; None without a tested row."""
    shown = [row for row in rows if row.q_value is not None][:N_ELEMENTS]
    if not shown:
        return None
    return picture(
        "matched",
        "Effect of design elements from matched relatives with 95 % intervals",
        lambda axes: _draw_matched(axes, shown),
        height_inches=0.9 + 0.3 * len(shown),
    )


def scores_chart(records: Sequence[Record]) -> str | None:
    """Draw an imported campaign: every published score over its number, with lines of descent."""
    spots = {
        r.id: (float(r.published.label), r.published.score)
        for r in records
        if r.published and r.published.score is not None and r.published.label.isdigit()
    }
    if len(spots) < 2:
        return None
    links = [
        (spots[parent], spots[r.id])
        for r in records
        for parent in r.candidate.parents[:1]
        if r.id in spots and parent in spots
    ]
    return picture(
        "scores",
        "Published score of every record over its number, joined to its parent",
        lambda axes: _draw_scores(axes, sorted(spots.values()), links),
        height_inches=3.8,
    )


def _draw_compute(axes: Axes, found: Discovery, others: Sequence[Curve]) -> None:
    scale, unit = _scale(max([found.curve.total, *(c.total for c in others)]), found.unit)
    curve, n = found.curve, len(found.curve.times)
    shares = [k / (N_POINTS - 1) for k in range(N_POINTS)]
    xs = [share * curve.total / scale for share in shares]
    _draw_band(axes, xs, constant_band(n, shares), BLUE, "constant rate, 95 %")
    if n >= LEAST:
        band = falling_band(curve.times, curve.total, shares)
        _draw_band(axes, xs, band, PURPLE, "falling rate, 95 %", dashes="--")
    name = "this campaign" + (", both arms" if others and not _is_foreign(found) else "")
    _draw_steps(axes, curve.times, curve.total, scale, (INK, "-", f"{name} ({n})"))
    for (dash, colour), other in zip(DASHES, others, strict=False):
        label = f"{picture_text(other.name, 34)} ({len(other.times)})"
        _draw_steps(axes, other.times, other.total, scale, (colour, dash, label))
    axes.set_ylabel("confirmed discoveries")
    _finish(axes, f"compute of search and confirmation, {unit}")


def _is_foreign(found: Discovery) -> bool:
    return all(b.ours is found.curve for b in found.beside)


def _draw_seen(axes: Axes, found: Discovery, others: Sequence[Curve]) -> None:
    ours = found.curve
    scale, unit = _scale(max([ours.seen_total, *(c.seen_total for c in others)]), found.unit)
    style = (INK, "-", f"this campaign ({len(ours.seen)})")
    _draw_steps(axes, ours.seen, ours.seen_total, scale, style)
    for (dash, colour), other in zip(DASHES, others, strict=False):
        label = f"{picture_text(other.name, 34)} ({len(other.seen)})"
        _draw_steps(axes, other.seen, other.seen_total, scale, (colour, dash, label))
    axes.set_ylabel("looked better in search")
    _finish(axes, f"compute of search alone, {unit}")


def _draw_band(
    axes: Axes, xs: Sequence[float], band: Band, colour: str, label: str, *, dashes: str = "-"
) -> None:
    axes.fill_between(xs, band.low, band.high, color=colour, alpha=0.14, linewidth=0)
    axes.plot(xs, band.middle, dashes, color=colour, linewidth=1.3, label=label)


def _draw_steps(
    axes: Axes, times: Sequence[float], total: float, scale: float, style: tuple[str, str, str]
) -> None:
    colour, dashes, label = style
    xs = [0.0, *(t / scale for t in times), total / scale]
    ys = [0, *range(1, len(times) + 1), len(times)]
    axes.step(xs, ys, dashes, where="post", color=colour, linewidth=1.9, label=label)
    axes.plot(xs[-1], ys[-1], "|", color=colour, markersize=7)


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label)
    axes.legend(
        fontsize=8.5, labelcolor=INK, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2
    )


def _scale(total: float, unit: str) -> tuple[float, str]:
    return (60.0, f"{unit} minutes") if total < 7200 else (3600.0, f"{unit} hours")


def _draw_trend(axes: Axes, name: str, points: Sequence[Point], gallery: set[float]) -> None:
    for inside, marker, colour in ((False, "o", BLUE), (True, "P", GREEN)):
        kept = [point for point in points if (point[0] in gallery) == inside]
        if kept:
            xs, ys = zip(*kept, strict=True)
            size = 34 if inside else 12
            axes.scatter(xs, ys, size, color=colour, marker=marker, linewidth=0.5, zorder=3)
    values = [value for _, value in points]
    if max(values) > 8 * min(values):
        axes.set_yscale("log")
    axes.set_title(name, fontsize=9, loc="left")
    axes.set_xlabel("candidate")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color=GRAY, alpha=0.25, linewidth=0.6)


def _draw_matched(axes: Axes, rows: Sequence[MatchedRow]) -> None:
    axes.axvline(0, color=GRAY, linewidth=1)
    for y, row in enumerate(rows):
        effect, clear = row.effect, row.q_value is not None and row.q_value <= 0.05
        reach = [[effect.mean - effect.low], [effect.high - effect.mean]]
        axes.errorbar(
            effect.mean, y, xerr=reach, fmt="D" if clear else "o", color=GREEN if clear else BLUE,
            markersize=6 if clear else 5, capsize=3, linewidth=1.4,
            markerfacecolor=GREEN if clear else "none",
        )  # fmt: skip
    means = [abs(row.effect.mean) for row in rows]
    halves = sorted(row.effect.high - row.effect.mean for row in rows)
    reach = 1.3 * (max(means) + halves[len(halves) // 2])
    axes.set_xlim(-reach, reach)  # an interval over two families may be too wide for any picture
    names = [f"{picture_text(row.name, 34)} ({row.n_families})" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_xlabel("with the element less without it, noise units (families in brackets)")
    quiet_axes(axes)


def _draw_scores(axes: Axes, spots: Sequence[Point], links: Sequence[tuple[Point, Point]]) -> None:
    axes.add_collection(LineCollection(list(links), colors=GRAY, linewidths=0.3, alpha=0.3))
    xs, ys = zip(*spots, strict=True)
    axes.scatter(xs, ys, 5, color=BLUE, linewidth=0, alpha=0.75, zorder=2)
    axes.plot(xs, list(accumulate(ys, max)), color=ORANGE, linewidth=1.6, label="best so far")
    if len(ys) >= 2 * WINDOW:
        sums = [0.0, *accumulate(ys)]
        means = [(sums[k] - sums[k - WINDOW]) / WINDOW for k in range(WINDOW, len(sums))]
        label = f"mean of the last {WINDOW}"
        axes.plot(xs[WINDOW - 1 :], means, "--", color=INK, linewidth=1.4, label=label)
    ordered = sorted(ys)
    low, high = ordered[len(ys) // 100], ordered[-1]
    if high > low and math.isfinite(high - low):
        axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    axes.set_xlabel("number of the record, as published")
    axes.set_ylabel("published score")
    axes.legend(
        fontsize=8.5, labelcolor=INK, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2
    )
