"""A flow as an SVG element: the page's text colour, tints that show on light, dark and paper.

No style sheet, no id, no script and no address in it, so it fits any page and any policy; every
word that came from a candidate is escaped. What a box does is told by shape and word; colour (from
the palette of Okabe and Ito, which the colour-blind can tell apart) only helps.
"""

from __future__ import annotations

from markupsafe import escape

from move37.insights.flow.layout import LOOP_ROOM, Place, lay_out
from move37.insights.flow.parts import Box, Flow, Part
from move37.insights.wording import clean, shorten

COLOURS = {
    Part.LINEAR: "#0072B2",
    Part.CONVOLUTION: "#009E73",
    Part.GATE: "#E69F00",
    Part.MEMORY: "#D55E00",
    Part.POINTWISE: "#56B4E9",
    Part.NORM: "#8a8f98",
    Part.OTHER: "#CC79A7",
}
NEUTRAL = "#8a8f98"
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
MOST_LABEL, MOST_DETAIL, MOST_NAME = 34, 58, 10
NOTE_HEIGHT = 22.0
LEGEND_HEIGHT = 26.0
LEGEND = (Part.LINEAR, Part.CONVOLUTION, Part.POINTWISE, Part.NORM, Part.GATE, Part.MEMORY,
          Part.OTHER)  # fmt: skip


def draw(flow: Flow, label: str) -> str:
    """Return the flow as an SVG element.

    Args:
        flow: with at least one box.
        label: what a screen reader says.
    """
    flow = _shortened(flow)
    layout = lay_out(flow)
    kinds = [kind for kind in LEGEND if any(box.kind is kind for box in flow.boxes)]
    width = max(layout.width, _legend_width(kinds), len(flow.note) * 6.2 + 30)
    shift = (width - layout.width) / 2
    height = layout.height + LEGEND_HEIGHT + (NOTE_HEIGHT if flow.note else 0.0)
    inner = [_arrow(route, flow.arrows[k].name) for k, route in enumerate(layout.routes)]
    inner += [_box(box, layout.places[k]) for k, box in enumerate(flow.boxes)]
    keeps = any(box.keeps_state for box in flow.boxes)
    foot = [_legend(kinds, width, layout.height, keeps=keeps)]
    if flow.note:
        y = layout.height + LEGEND_HEIGHT + 10
        foot.append(_text(width / 2, y, flow.note, size=10.5, opacity=0.75))
    words = escape(clean(label))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{words}" '
        f'font-family="{FONT}" fill="currentColor" stroke-linejoin="round">'
        f"<title>{words}</title>"
        f'<g transform="translate({shift:.1f} 0)">{"".join(inner)}</g>{"".join(foot)}</svg>'
    )


def draw_words(words: str, label: str) -> str:
    """Return an SVG that only says something: why there is no diagram."""
    said, words = escape(clean(label)), shorten(clean(words), 110)
    width = len(words) * 7.2 + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} 48" '
        f'width="{width:.0f}" height="48" role="img" aria-label="{said}" font-family="{FONT}" '
        f'fill="currentColor"><title>{said}</title>'
        f"{_text(width / 2, 28, words, size=13, opacity=0.8)}</svg>"
    )


def standalone(svg: str) -> str:
    """Return the SVG as a file of its own: with a page colour, light or dark as the reader's."""
    style = (
        "<style>svg{color:#1b1e24;background:#fff}"
        "@media (prefers-color-scheme:dark){svg{color:#e4e6ea;background:#16181d}}"
        "@media print{svg{color:#000;background:#fff}}</style>"
    )
    head, rest = svg.split(">", 1)
    return f"{head}>{style}{rest}\n"


def _shortened(flow: Flow) -> Flow:
    boxes = tuple(
        Box(
            label=shorten(clean(box.label), MOST_LABEL),
            detail=shorten(clean(box.detail), MOST_DETAIL),
            kind=box.kind,
            keeps_state=box.keeps_state,
        )
        for box in flow.boxes
    )
    return Flow(boxes=boxes, arrows=flow.arrows, note=shorten(clean(flow.note), 140))


def _text(x: float, y: float, words: str, *, size: float, opacity: float = 1.0,
          anchor: str = "middle", bold: bool = False) -> str:  # fmt: skip
    faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}"'
        f"{faint}{weight}>{escape(words)}</text>"
    )


def _box(box: Box, place: Place) -> str:
    x, y, w, h = place.x, place.y, place.width, place.height
    parts = [_shape(box, place)]
    if box.keeps_state:
        parts.append(_loop(place, COLOURS.get(box.kind, NEUTRAL)))
    size = 15.0 if box.kind is Part.JOIN and w <= 30 else 13.0
    up = 3.0 if box.detail else -4.5
    parts.append(_text(x, y - up, box.label, size=size, bold=box.kind is Part.MEMORY))
    if box.detail:
        parts.append(_text(x, y + h / 2 - 8, box.detail, size=10.5, opacity=0.82))
    return "".join(parts)


def _shape(box: Box, place: Place) -> str:
    """Gates have cut corners, memories a double edge, convolutions a bar, ends are round."""
    x, y, w, h = place.x - place.width / 2, place.y - place.height / 2, place.width, place.height
    colour = COLOURS.get(box.kind, NEUTRAL)
    look = f'fill="{colour}" fill-opacity="0.15" stroke="{colour}" stroke-width="1.4"'
    match box.kind:
        case Part.END | Part.JOIN:
            look = f'fill="none" stroke="{NEUTRAL}" stroke-width="1.4"'
            return _rect(x, y, w, h, h / 2, look)
        case Part.GATE:
            c = 10.0
            points = [
                (x + c, y), (x + w - c, y), (x + w, y + h / 2), (x + w - c, y + h),
                (x + c, y + h), (x, y + h / 2),
            ]  # fmt: skip
            listed = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            return f'<polygon points="{listed}" {look}/>'
        case Part.MEMORY:
            edge = f'fill="none" stroke="{colour}" stroke-width="1.2"'
            return _rect(x, y, w, h, 4, look) + _rect(x + 3, y + 3, w - 6, h - 6, 2, edge)
        case Part.CONVOLUTION:
            bar = f'<rect x="{x:.1f}" y="{y:.1f}" width="5" height="{h:.1f}" fill="{colour}"/>'
            return _rect(x, y, w, h, 2, look) + bar
        case Part.NORM:
            return _rect(x, y, w, h, 5, look + ' stroke-dasharray="4 3"')
        case Part.POINTWISE:
            return _rect(x, y, w, h, h / 2, look)
    return _rect(x, y, w, h, 5, look)


def _rect(x: float, y: float, w: float, h: float, r: float, look: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{r:.1f}" {look}/>'


def _loop(place: Place, colour: str) -> str:
    """An arrow from the box back into it: what it carries from one position to the next."""
    x, y = place.x + place.width / 2, place.y
    far, top, low = x + LOOP_ROOM - 8, y - 8, y + 8
    path = f"M{x:.1f} {low:.1f} C{far:.1f} {low + 6:.1f} {far:.1f} {top - 6:.1f} {x + 6:.1f} {top}"
    line = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
    tip = f"{x:.1f},{top:.1f} {x + 7:.1f},{top - 4:.1f} {x + 7:.1f},{top + 4:.1f}"
    return line + f'<polygon points="{tip}" fill="{colour}"/>'


def _arrow(route: tuple[tuple[float, float], ...], name: str) -> str:
    """A line that leaves and enters downwards, and passes its bends on the way."""
    (x, y), path = route[0], f"M{route[0][0]:.1f} {route[0][1]:.1f}"
    ends = [*route[1:-1], (route[-1][0], route[-1][1] - 6)]
    for to_x, to_y in ends:
        middle = (y + to_y) / 2
        path += f" C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    tip_x, tip_y = route[-1]
    left, right, back = tip_x - 3.6, tip_x + 3.6, tip_y - 7
    tip = f"{tip_x:.1f},{tip_y:.1f} {left:.1f},{back:.1f} {right:.1f},{back:.1f}"
    line = (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity="0.55" '
        f'stroke-width="1.2"/><polygon points="{tip}" fill-opacity="0.7"/>'
    )
    if not name:
        return line
    words = shorten(clean(name), MOST_NAME)
    return line + _text(tip_x + 5, tip_y - 8, words, size=10.5, opacity=0.85, anchor="start")


def _legend_width(kinds: list[Part]) -> float:
    return sum(len(kind) * 6.0 + 30 for kind in kinds) + 110


def _legend(kinds: list[Part], width: float, y: float, *, keeps: bool) -> str:
    """One line: what the shapes stand for."""
    x = (width - _legend_width(kinds)) / 2 + 6
    parts = []
    for kind in kinds:
        place = Place(x=x + 9, y=y + 8, width=18, height=11)
        parts.append(_shape(Box(label="", kind=kind), place))
        parts.append(_text(x + 22, y + 12, str(kind), size=10, opacity=0.8, anchor="start"))
        x += len(kind) * 6.0 + 30
    if keeps:
        parts.append(_text(x + 4, y + 12, "↺ keeps a state", size=10, opacity=0.8, anchor="start"))
    return "".join(parts)
