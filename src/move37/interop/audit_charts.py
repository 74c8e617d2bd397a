"""The audit's pictures: what each probe says of the programs, and gains with their noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from move37.insights.pictures import BLUE, GRAY, INK, ORANGE, picture, quiet_axes
from move37.insights.wording import picture_text
from move37.interop.benchmarks import Gain

SIDE = 1.959964


def probes_chart(counts: Mapping[str, tuple[int, int, int]]) -> str | None:
    """Draw how many programs pass and fail each probe; None without a probed program."""
    if not counts:
        return None
    return picture(
        "probes",
        "Programs that pass and fail each admission probe",
        lambda axes: _draw_probes(axes, counts),
        height_inches=0.9 + 0.25 * len(counts),
    )


def gains_chart(gains: Mapping[str, Sequence[Gain]]) -> str | None:
    """Draw each record's gain over each baseline with its binomial interval; None without any."""
    kept = {name: sorted(of, key=lambda g: g.points) for name, of in gains.items() if of}
    if not kept:
        return None
    return picture(
        "gains",
        "Published gains over each baseline with binomial 95 % intervals",
        lambda axes: _draw_gains(axes, kept),
    )


def _draw_probes(axes: Axes, counts: Mapping[str, tuple[int, int, int]]) -> None:
    names = list(counts)
    passed, failed = [counts[n][0] for n in names], [counts[n][1] for n in names]
    places = range(len(names))
    axes.barh(places, passed, color=BLUE, alpha=0.75, label="passed", height=0.66)
    axes.barh(
        places, failed, left=passed, color=ORANGE, label="failed", height=0.66, hatch="///",
        edgecolor="white", linewidth=0,
    )  # fmt: skip
    axes.set_yticks(places, [picture_text(name, 34) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("programs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8.5, labelcolor=INK, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    quiet_axes(axes)


def _draw_gains(axes: Axes, gains: Mapping[str, Sequence[Gain]]) -> None:
    axes.axhline(0, color=GRAY, linewidth=1)
    for (name, of), colour, mark in zip(gains.items(), (BLUE, ORANGE), "os", strict=False):
        axes.errorbar(
            range(1, len(of) + 1), [g.points for g in of],
            yerr=[SIDE * g.standard_error for g in of],
            fmt=mark, color=colour, markersize=3, linewidth=0.8, elinewidth=0.7, alpha=0.8,
            label=f"over {picture_text(name)}",
        )  # fmt: skip
    axes.set_xlabel("records, by rising gain")
    axes.set_ylabel("gain of the mean accuracy, points")
    axes.legend(
        fontsize=8.5, labelcolor=INK, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2
    )
