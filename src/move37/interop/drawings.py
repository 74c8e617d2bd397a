"""Somebody else's SVG as data: parsed, reduced to shapes and words, and written anew.

Hostile: an SVG may hold scripts, style sheets, addresses that are loaded, and whole HTML pages.
Nothing of the original text is kept; what is not on the lists below is gone. Even so the result is
data: it is kept as an artefact and no page of ours shows it.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import escape

from move37.insights.wording import clean

MAX_CHARACTERS = 300_000
MAX_ELEMENTS = 5_000
MAX_DEPTH = 40
MAX_VALUE = 20_000
SHAPES = frozenset({
    "svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline",
    "polygon", "text", "tspan", "marker", "linearGradient", "stop",
})  # fmt: skip
ATTRIBUTES = frozenset({
    "viewBox", "width", "height", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry",
    "d", "points", "transform", "fill", "fill-opacity", "stroke", "stroke-width",
    "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-weight",
    "font-style", "text-anchor", "dominant-baseline", "dx", "dy", "id", "markerWidth",
    "markerHeight", "refX", "refY", "orient", "marker-end", "marker-start", "offset", "stop-color",
})  # fmt: skip
LOCAL = re.compile(r"url\(#[A-Za-z0-9_.-]{1,80}\)")
PLAIN = re.compile(r"[^<>&\"'`\\;:@(){}]*(?:\([^<>&\"'`\\;:@(){}]*\)[^<>&\"'`\\;:@(){}]*)*")
"""Numbers, words, colours and functions of them; no address, style or quote."""
ADDRESS = re.compile(r"url|script|import|//", re.IGNORECASE)


def sanitised(text: object) -> str:
    """Return an SVG of shapes and words only; empty if this is none, or too large. Never raises."""
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or "<!" in text.replace("<!--", ""):
        return ""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no document type, so no entities
    except (ElementTree.ParseError, ValueError, RecursionError):
        return ""
    if _name(root.tag) != "svg" or sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        return ""
    return _written(root, depth=0)


def _written(element: ElementTree.Element, *, depth: int) -> str:
    name = _name(element.tag)
    if name not in SHAPES or depth > MAX_DEPTH:
        return ""
    space = ' xmlns="http://www.w3.org/2000/svg"' if depth == 0 else ""
    said = "".join(
        f' {key}="{escape(value)}"'
        for key, value in sorted(element.attrib.items())
        if key in ATTRIBUTES and _is_plain(value)
    )
    inner = [_words(element.text)]
    for child in element:
        inner += [_written(child, depth=depth + 1), _words(child.tail)]
    return f"<{name}{space}{said}>{''.join(inner)}</{name}>"


def _name(tag: object) -> str:
    """Return a tag without its name space; comments and instructions have none."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _is_plain(value: str) -> bool:
    if len(value) > MAX_VALUE:
        return False
    if LOCAL.fullmatch(value):
        return True
    return bool(PLAIN.fullmatch(value)) and not ADDRESS.search(value)


def _words(text: str | None) -> str:
    return str(escape(clean(text))) if text else ""
