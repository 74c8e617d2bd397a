"""How numbers and untrusted text are shown: in HTML, in Markdown, inside pictures.

Names, ideas, reasons and source come from models and candidates, so all of it is hostile. HTML is
escaped by jinja2; here is the rest.
"""

from __future__ import annotations

import functools
import math
import re

from move37.core.claims import Effect

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]|~$#!])")
LAYOUT = "\n\t"


class Ready(str):
    """Markdown of our own making, which is printed as it is. In HTML it is text like any other."""

    __slots__ = ()


def clean(text: str) -> str:
    """Return text without characters that hide, reorder or break: controls, bidi, surrogates."""
    return "".join(c if c.isprintable() or c in LAYOUT else REPLACEMENT for c in text)


def shorten(text: str, most: int) -> str:
    """Return the text on one line, at most this many characters long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def signed(value: float) -> str:
    """Return a number with its sign and two decimals; no sign of a zero that is only rounded."""
    if not math.isfinite(value):
        return f"{value:+}"
    return f"{value + 0.0:+.2f}" if abs(value) >= 0.005 else "0.00"


def plain_number(value: float) -> Ready:
    """Return a number as people read it: thousands apart, three or four digits."""
    if abs(value) >= 1000:
        return Ready(f"{value:,.0f}")
    return Ready(f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}")


def effect_words(effect: Effect) -> Ready:
    """Return an effect as people read it: `+1.23 [+0.45, +2.01]`."""
    return span_words(effect.mean, effect.low, effect.high)


def span_words(mean: float, low: float, high: float) -> Ready:
    """Return a signed mean with its interval, as `effect_words` does."""
    return Ready(f"{signed(mean)} [{signed(low)}, {signed(high)}]")


def times_words(ratio: float | None) -> Ready:
    """Return how many times as much: `1.23x`; a dash where it was not measured."""
    return Ready("\N{EN DASH}" if ratio is None else f"{ratio:.2f}x")


def rate_words(low: float, mean: float, high: float | None) -> Ready:
    """Return a rate with its interval: `2.1 [0.4, 6.2]`."""
    bound = "no bound" if high is None else f"{high:.3g}"
    return Ready(f"{mean:.3g} [{low:.3g}, {bound}]")


def duration(seconds: float) -> str:
    """Return a time in the unit a person would choose."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def escape_markdown(text: str) -> str:
    """Return untrusted text for the middle of a Markdown line or table cell.

    Nothing in it starts markup, a link, HTML, mathematics or a new cell; it stays on one line.
    """
    line = " ".join(clean(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = MARKDOWN_SPECIAL.sub(r"\\\1", line)
    return line.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def fenced(text: str, language: str = "") -> Ready:
    """Return untrusted text as a Markdown code block, behind a fence that it cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Ready(f"{fence}{language}\n{clean(text).rstrip()}\n{fence}")


def picture_text(text: str, most: int = 26) -> str:
    """Return untrusted text for a picture: short, and only of glyphs that its font has."""
    known = _glyphs()
    return "".join(c if ord(c) in known else "?" for c in shorten(clean(text), most))


@functools.cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
