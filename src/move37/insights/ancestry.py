"""The ancestors of a layer as a drawing: one row a generation, oldest on top."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from move37.insights.findings import outcome_of
from move37.insights.pictures import COLOURS, GRAY, picture
from move37.insights.story import Record
from move37.insights.wording import picture_text, signed

MAX_SHOWN = 11
"""Layers in the drawing; the nearest ancestors come first."""
STAGGER = 0.12
"""Share of the width by which boxes stand left and right in turn, so that a line to a grandparent
passes by the parent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """Ancestors by generation, the layer itself at 0; and how many did not fit."""

    rows: dict[int, list[Record]]
    n_left_out: int


def ancestors(records: Mapping[str, Record], best: Record) -> Lineage:
    """Return who a layer comes from, the nearest; each stands above all its descendants."""
    seen, queue = {best.id}, [best]
    for record in queue:
        for parent in record.candidate.parents:
            if parent in records and parent not in seen:
                seen.add(parent)
                queue.append(records[parent])
    shown = queue[:MAX_SHOWN]
    generations = _generations(shown)
    rows: dict[int, list[Record]] = defaultdict(list)
    for record in shown:
        rows[generations[record.id]].append(record)
    return Lineage(rows=dict(rows), n_left_out=len(queue) - len(shown))


def _generations(shown: Sequence[Record]) -> dict[str, int]:
    """Longest line of descent to the layer; as many rounds as layers, so a cycle cannot hang it."""
    generations = {record.id: 0 for record in shown}
    for _ in shown:
        for record in shown:
            for parent in record.candidate.parents:
                if parent in generations:
                    least = min(generations[record.id] + 1, len(shown) - 1)
                    generations[parent] = max(generations[parent], least)
    return generations


def lineage_chart(lineage: Lineage) -> str | None:
    """Draw a lineage; None for a layer without ancestors."""
    if len(lineage.rows) < 2:
        return None
    return picture(
        "lineage",
        "Ancestors of the best layer, oldest on top",
        lambda axes: _draw(axes, lineage),
        height_inches=0.3 + 0.62 * len(lineage.rows),
    )


def _draw(axes: Axes, lineage: Lineage) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.45, max(lineage.rows) + 0.45)
    shift = STAGGER if _skips_a_generation(lineage) else 0.0
    spots = {
        record.id: ((k + 0.5) / len(row) + shift * (-1) ** generation / len(row) ** 2, generation)
        for generation, row in lineage.rows.items()
        for k, record in enumerate(row)
    }
    for generation, row in lineage.rows.items():
        for record in row:
            for k, parent in enumerate(p for p in record.candidate.parents if p in spots):
                (x0, y0), (x1, y1) = spots[parent], spots[record.id]
                bend = 0.2 if abs(y0 - y1) > 2 else 0.0
                style = {
                    "arrowstyle": "-",
                    "linestyle": "-" if k == 0 else (0, (2, 2)),
                    "connectionstyle": f"arc3,rad={bend}",
                    "color": GRAY,
                    "linewidth": 1.1,
                    "shrinkA": 0,
                    "shrinkB": 0,
                }
                axes.annotate("", (x0, y0), xytext=(x1, y1), arrowprops=style, zorder=1)
            _draw_box(axes, record, spots[record.id], is_last=generation == 0)


def _skips_a_generation(lineage: Lineage) -> bool:
    place = {r.id: generation for generation, row in lineage.rows.items() for r in row}
    return any(
        place[parent] > place[record.id] + 1
        for row in lineage.rows.values()
        for record in row
        for parent in record.candidate.parents
        if parent in place
    )


def _draw_box(axes: Axes, record: Record, spot: tuple[float, float], *, is_last: bool) -> None:
    colour = GRAY if record.role else COLOURS[outcome_of(record)]
    axes.text(
        *spot,
        f"{picture_text(record.name, 24)}\n{_effect_words(record)}",
        ha="center",
        va="center",
        fontsize=8,
        color="#16181d",
        linespacing=1.3,
        bbox={
            "boxstyle": "round,pad=0.45",
            "facecolor": "#f3f4f6",
            "edgecolor": colour,
            "linewidth": 2.2 if is_last else 1.4,
        },
        zorder=2,
    )


def _effect_words(record: Record) -> str:
    if record.role:
        return record.role
    if record.test and record.test.effect:
        return f"{signed(record.test.effect.mean)} on fresh seeds"
    if record.search_effect:
        return f"{signed(record.search_effect.mean)} in search"
    return outcome_of(record)
