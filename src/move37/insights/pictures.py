"""Pictures as inline SVG that fit a light and a dark page; no pyplot, no external resource.

Text is drawn as text in the page's colour. Names in it are hostile: mathematics is switched off,
matplotlib escapes them, and glyphs that the font lacks are replaced (`wording.picture_text`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's text colour, which only the page knows."""
GRAY = "#8a8f98"
BLUE, ORANGE, PURPLE, GREEN = "#2b7bba", "#d98a00", "#b5639a", "#12906a"
"""Near the colours of Okabe and Ito (2008), which people with any colour vision tell apart; dark
enough for white paper and light enough for a dark page. Shapes and dashes repeat what they say."""
COLOURS = {
    "rejected": "#9aa0a8",
    "unfinished": "#b9bdc4",
    "explored": BLUE,
    "promoted": ORANGE,
    "not confirmed": PURPLE,
    "refuted": "#c4442f",
    "confirmed": GREEN,
}
MARKERS = {
    "rejected": "x",
    "unfinished": ".",
    "explored": "o",
    "promoted": "^",
    "not confirmed": "s",
    "refuted": "D",
    "confirmed": "P",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 10,
    "axes.unicode_minus": True,
    "legend.frameon": False,
}
WIDTH_INCHES = 8.6
PAGE_FONT = "system-ui, sans-serif"


def picture(
    name: str, label: str, draw: Callable[[Axes], None], *, height_inches: float = 3.4
) -> str:
    """Return one drawing as an SVG element for a page: safe HTML, whatever the names in it.

    Args:
        name: letters; keeps this picture's ids apart from those of others on the page.
        label: what a screen reader says.
        draw: fills the axes.
        height_inches: of the drawing; its width fills the page.
    """
    return panels(name, label, [draw], height_inches=height_inches)


def panels(
    name: str, label: str, draws: Sequence[Callable[[Axes], None]], *, height_inches: float = 3.4
) -> str:
    """Return drawings side by side as one picture; see `picture`."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        for axes, draw in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
            draw(axes)
        out = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    return _for_page(out.getvalue(), name, label)


def quiet_axes(axes: Axes) -> None:
    """Take away what a horizontal chart does not need."""
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRAY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _for_page(svg: str, name: str, label: str) -> str:
    """Strip the file's head, keep its ids apart, let it scale, and give it the page's colour.

    Replacing by pattern is safe with hostile text: in it, `<` and `>` are escaped already, so the
    worst that can change is how a strange name reads.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\b(id|clip-path)="(url\(#)?', rf'\1="\2{name}-', svg)
    svg = svg.replace('href="#', f'href="#{name}-').replace(INK, "currentColor")
    svg = re.sub(r"(font: [\d.]+px|font-family:) '[^;\"<]*", rf"\1 {PAGE_FONT}", svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, count=1, flags=re.DOTALL)
    head, rest = svg.split(">", 1)
    head = re.sub(r'\b(?:width|height)="[^"]*" ?', "", head)
    return f'{head} role="img" aria-label="{escape(label)}">{rest}'
